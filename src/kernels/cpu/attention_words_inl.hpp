// The same for pairs of 16-bit integers, two products an instruction, exact: keys of neighbouring dimensions, values of
// neighbouring positions. A query, a key, a value and the weights of a block are integers times a scale of their own,
// which is chosen so that no sum of products can overflow 32 bits.
#pragma once

#include "kernels/cpu/attention_pairs_inl.hpp"
#include "kernels/cpu/attention_softmax_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

#ifdef LINNET_KERNEL_WORD_PAIRS
// The Euclidean norm of a query and of a key, as integers: their dot product is no larger than the product of both, and
// neither is the sum of any part of it.
inline constexpr float kWordNorm = 32000;
// The largest value, and the sum of a block's weights, as integers.
inline constexpr float kMostWord = 32767;
// Below it, kMostWord over it could be infinite.
inline constexpr float kLeastToScale = 1e-30f;

// See CpuAttention::to_words.
float to_words(const float* x, int64_t n, bool by_norm, int16_t* out) {
  F32 squares = zero();
  F32 most = zero();
  for (int64_t i = 0; i < n; i += 16) {
    const F32 a = load(x + i);
    squares = fmadd(a, a, squares);
    most = max(most, max(a, negated(a)));
  }
  const float square = reduce_add(squares);
  const bool finite = square < __builtin_inff();  // not where it is NaN
  const float size = by_norm ? __builtin_sqrtf(square) : reduce_max(most);
  const float limit = by_norm ? kWordNorm : kMostWord;
  const F32 inverse = set1(finite && size >= kLeastToScale ? limit / size : 0.0f);
  for (int64_t i = 0; i < n; i += 16) {
    store_words(out + i, to_i32(finite ? mul(load(x + i), inverse) : zero()));
  }
  if (!finite) return __builtin_nanf("");
  return (size >= kLeastToScale ? size : kLeastToScale) / limit;
}

// The scores of kVecs vectors of keys from `column` on, without the queries' scales.
template <int kRows, int kVecs>
LINNET_INLINE void score_words(const KeyBlock<WordPair>& block, int64_t dim, const Query* queries, int64_t column) {
  I32 acc[kRows][kVecs];
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>()
                                 __attribute__((always_inline)) { acc[kRow][kVec] = set1(int32_t{0}); });
  for (int64_t p = 0; p < dim / 2; ++p) {
    const int64_t at = p * kAttentionBlock + column;
    prefetch_row(block.next_keys + at, kLanes * kVecs);
    WordPairs k[kVecs];
    unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
      k[kVec] = load_word_pairs(&block.keys[at + kLanes * kVec].bits);
    });
    unroll<0, kRows>([&]<int kRow>() __attribute__((always_inline)) {
      const WordPairs q = set1_word_pair(queries[kRow].pairs[p]);
      unroll<0, kVecs>([&]<int kVec>()
                           __attribute__((always_inline)) { acc[kRow][kVec] = add_dot(acc[kRow][kVec], k[kVec], q); });
    });
  }
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>() __attribute__((always_inline)) {
    const int64_t at = column + kLanes * kVec;
    store(queries[kRow].weights + at, mul(to_f32(acc[kRow][kVec]), load(block.key_scales + at)));
  });
}

// From scores to weights times the values' scales, whose sum over the lanes is returned. What a query does not see
// weighs nothing, whatever it holds.
LINNET_INLINE F32 weigh_words(const KeyBlock<WordPair>& block, Query& query, int64_t dim, const AttentionCall& call) {
  constexpr int kVecs = kAttentionBlock / kLanes;
  static_assert(kVecs == 4);
  const bool plain = !query.bias && !(call.softcap > 0) && query.pair_scale > 0;
  const bool all = query.begin == 0 && query.end == kAttentionBlock;
  const float scale = plain ? query.pair_scale : 1.0f;
  F32 score[kVecs];
  unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
    F32& one = score[kVec];
    one = load(query.weights + kLanes * kVec);
    if (!plain) one = mul(one, set1(query.pair_scale));
    if (query.bias) one = add(one, load(query.bias + kLanes * kVec));
    if (call.softcap > 0) one = capped(one, call.softcap);
    if (!all) one = masked(one, kLanes * kVec, query.begin, query.end);
  });
  const F32 highest = max(max(score[0], score[1]), max(score[2], score[3]));
  if (any_above(mul(highest, set1(scale)), set1(query.highest + kHeadroom))) {
    raise_highest(query, dim, reduce_max(highest) * scale);
  }
  F32 weight[kVecs];
  unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
    weight[kVec] = exp_below(score[kVec], scale, query.highest);
    score[kVec] = mul(weight[kVec], load(block.value_scales + kLanes * kVec));
    if (!all) score[kVec] = masked(score[kVec], kLanes * kVec, query.begin, query.end, 0);
    store(query.weights + kLanes * kVec, score[kVec]);
  });
  store(query.sums, add(load(query.sums), add(add(weight[0], weight[1]), add(weight[2], weight[3]))));
  return add(add(score[0], score[1]), add(score[2], score[3]));
}

// The same as integers.
LINNET_INLINE void narrow_weights(Query& query, float total) {
  constexpr int kVecs = kAttentionBlock / kLanes;
  query.weight_scale = total * (1 / kMostWord);
  const F32 inverse = set1(total >= kLeastToScale ? kMostWord / total : 0.0f);
  I32 words[kVecs];
  unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
    words[kVec] = to_i32(mul(load(query.weights + kLanes * kVec), inverse));
  });
  auto* out = reinterpret_cast<int16_t*>(query.weights);
  unroll<0, kVecs / 2>([&]<int kTwo>() __attribute__((always_inline)) {
    store_words(out + 2 * kLanes * kTwo, words[2 * kTwo], words[2 * kTwo + 1]);
  });
}

// In steps of all queries, so that none waits for its own sum.
template <int kRows>
LINNET_INLINE void soften_words(const KeyBlock<WordPair>& block, Query* queries, int64_t dim,
                                const AttentionCall& call) {
  F32 sums[kRows];
  float totals[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = weigh_words(block, queries[r], dim, call);
  for (int r = 0; r < kRows; ++r) totals[r] = reduce_add(sums[r]);
  for (int r = 0; r < kRows; ++r) narrow_weights(queries[r], totals[r]);
}

// out += weights · values over pairs [begin, end) of keys.
template <int kRows, int kVecs>
LINNET_INLINE void add_word_columns(const KeyBlock<WordPair>& block, int64_t begin, int64_t end, const Query* queries,
                                    int64_t column) {
  I32 acc[kRows][kVecs];
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>()
                                 __attribute__((always_inline)) { acc[kRow][kVec] = set1(int32_t{0}); });
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t at = pair * block.stride + column;
    prefetch_row(block.next_values + at, kLanes * kVecs);
    WordPairs value[kVecs];
    unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
      value[kVec] = load_word_pairs(&block.values[at + kLanes * kVec].bits);
    });
    unroll<0, kRows>([&]<int kRow>() __attribute__((always_inline)) {
      const WordPairs weight = set1_word_pair(weight_pair(queries[kRow], pair));
      unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
        acc[kRow][kVec] = add_dot(acc[kRow][kVec], value[kVec], weight);
      });
    });
  }
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>() __attribute__((always_inline)) {
    float* out = queries[kRow].out + column + kLanes * kVec;
    store(out, fmadd(to_f32(acc[kRow][kVec]), set1(queries[kRow].weight_scale), load(out)));
  });
}

// dim: a multiple of 16.
template <int kRows>
void attend_words(const KeyBlock<WordPair>& block, int64_t dim, const AttentionCall& call, Query* queries) {
  for (int64_t column = 0; column < kAttentionBlock; column += kLanes * kAttentionVecs) {
    score_words<kRows, kAttentionVecs>(block, dim, queries, column);
  }
  soften_words<kRows>(block, queries, dim, call);
  int64_t begin = kAttentionBlock;
  int64_t end = 0;
  for (int r = 0; r < kRows; ++r) {
    begin = queries[r].begin < begin ? queries[r].begin : begin;
    end = queries[r].end > end ? queries[r].end : end;
  }
  int64_t column = 0;
  for (; column + kLanes * kAttentionVecs <= dim; column += kLanes * kAttentionVecs) {
    add_word_columns<kRows, kAttentionVecs>(block, begin / 2, (end + 1) / 2, queries, column);
  }
  for (; column < dim; column += kLanes) {
    add_word_columns<kRows, 1>(block, begin / 2, (end + 1) / 2, queries, column);
  }
}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
