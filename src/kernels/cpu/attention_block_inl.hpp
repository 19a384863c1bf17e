// A block of keys, tile by tile of queries: scores, softmax so far, weighted values.
#pragma once

#include "kernels/cpu/attention_pairs_inl.hpp"
#include "kernels/cpu/attention_softmax_inl.hpp"
#include "kernels/cpu/attention_words_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// From scores to weights, as a block of T multiplies them, and what came before rescaled to the new highest score.
LINNET_INLINE void soften(Query& query, int64_t dim, float softcap, const float* value_scales) {
  constexpr int kVecs = kAttentionBlock / 16;
  const bool all = query.begin == 0 && query.end == kAttentionBlock;
  F32 score[kVecs];
  F32 highest = set1(query.highest);
  for (int v = 0; v < kVecs; ++v) {
    score[v] = load(query.weights + kLanes * v);
    if (query.bias) score[v] = add(score[v], load(query.bias + kLanes * v));
    if (softcap > 0) score[v] = capped(score[v], softcap);
    if (!all) score[v] = masked(score[v], kLanes * v, query.begin, query.end);
    highest = max(score[v], highest);
  }
  if (any_above(highest, set1(query.highest + kHeadroom))) raise_highest(query, dim, reduce_max(highest));
  const float base = query.highest;
  for (int v = 0; v < kVecs; ++v) {
    score[v] = exp_normal(sub(score[v], set1(base)));
    store(query.weights + kLanes * v, value_scales ? mul(score[v], load(value_scales + kLanes * v)) : score[v]);
  }
  static_assert(kVecs == 4);
  store(query.sums, add(load(query.sums), add(add(score[0], score[1]), add(score[2], score[3]))));
}

#ifdef LINNET_KERNEL_BF16_PAIRS
// The same for scores that are not scaled yet. All queries are raised first, so that none waits for its own highest
// score.
template <int kRows, int kVecs>
LINNET_INLINE void soften_pairs(Query* queries, int64_t dim, const AttentionCall& call, F32 (&score)[kRows][kVecs]) {
  const bool plain = !call.bias && !(call.softcap > 0) && call.scale > 0;
  const float scale = plain ? call.scale : 1.0f;
  unroll<0, kRows>([&]<int kRow>() __attribute__((always_inline)) {
    Query& query = queries[kRow];
    if (!plain || query.begin > 0 || query.end < kAttentionBlock) {
      unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
        F32& one = score[kRow][kVec];
        if (!plain) one = mul(one, set1(call.scale));
        if (query.bias) one = add(one, load(query.bias + kLanes * kVec));
        if (call.softcap > 0) one = capped(one, call.softcap);
        one = masked(one, kLanes * kVec, query.begin, query.end);
      });
    }
    F32 highest = score[kRow][0];
    unroll<1, kVecs>([&]<int kVec>() __attribute__((always_inline)) { highest = max(highest, score[kRow][kVec]); });
    if (any_above(mul(highest, set1(scale)), set1(query.highest + kHeadroom))) {
      raise_highest(query, dim, reduce_max(highest) * scale);
    }
  });
  unroll<0, kRows>([&]<int kRow>() __attribute__((always_inline)) {
    Query& query = queries[kRow];
    F32 sum = load(query.sums);
    unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
      const F32 weight = exp_below(score[kRow][kVec], scale, query.highest);
      store_bf16(reinterpret_cast<uint16_t*>(query.weights) + kLanes * kVec, weight);
      sum = add(sum, weight);
    });
    store(query.sums, sum);
  });
}
#endif

// out += weights · values over keys [begin, end) of the block.
template <class T, int kRows>
LINNET_INLINE void add_values(const KeyBlock<T>& block, int64_t dim, int64_t begin, int64_t end, const Query* queries) {
  if (begin >= end) return;
  if constexpr (std::is_same_v<T, Bf16Pair>) {
#ifdef LINNET_KERNEL_BF16_PAIRS
    add_paired_values<kRows>(block, dim, begin, end, queries);
#endif
  } else {
    int64_t column = 0;
    for (; column + kLanes * kAttentionVecs <= dim; column += kLanes * kAttentionVecs) {
      add_columns<T, kRows, kAttentionVecs>(block, begin, end, queries, column);
    }
    for (; column < dim; column += 16) add_columns<T, kRows, 1>(block, begin, end, queries, column);
  }
}

// The scores of all keys of a block, times the scale.
template <class T, int kRows>
LINNET_INLINE void score_block(const KeyBlock<T>& block, int64_t dim, const Query* queries, float scale) {
  for (int64_t column = 0; column < kAttentionBlock; column += kLanes * kAttentionVecs) {
    score_columns<T, kRows, kAttentionVecs>(block, dim, queries, scale, column);
  }
}

template <class T, int kRows>
void attend_tile(const KeyBlock<T>& block, int64_t dim, int64_t padded, const AttentionCall& call, Query* queries) {
  if constexpr (std::is_same_v<T, Bf16Pair>) {
#ifdef LINNET_KERNEL_BF16_PAIRS
    F32 scores[kRows][kAttentionBlock / kLanes];
    score_pairs(block, dim, queries, scores);
    soften_pairs(queries, padded, call, scores);
#endif
  } else {
    score_block<T, kRows>(block, dim, queries, call.scale);
    for (int r = 0; r < kRows; ++r) soften(queries[r], padded, call.softcap, block.value_scales);
  }
  int64_t begin = 0;
  int64_t end = kAttentionBlock;
  for (int r = 0; r < kRows; ++r) {
    begin = queries[r].begin > begin ? queries[r].begin : begin;
    end = queries[r].end < end ? queries[r].end : end;
  }
  // Keys that all see are added together; a key that a row does not see never touches it, whatever it holds.
  if constexpr (std::is_same_v<T, Bf16Pair>) {  // whole pairs, so that a row adds the same ones beside any other
    begin += begin % 2;
    end -= end % 2;
  }
  if (begin >= end) begin = end = 0;
  for (int r = 0; r < kRows; ++r) {
    const int64_t until = begin < end ? begin : queries[r].end;
    add_values<T, 1>(block, padded, queries[r].begin, until, queries + r);
  }
  add_values<T, kRows>(block, padded, begin, end, queries);
  if (begin >= end) return;
  for (int r = 0; r < kRows; ++r) add_values<T, 1>(block, padded, end, queries[r].end, queries + r);
}

// Exactly `count` queries, 1 <= count <= kRows.
template <class T, int kRows>
LINNET_INLINE void attend_some(const KeyBlock<T>& block, int64_t dim, int64_t padded, const AttentionCall& call,
                               Query* queries, int64_t count) {
  if (count == kRows) {
    if constexpr (std::is_same_v<T, WordPair>) {
#ifdef LINNET_KERNEL_WORD_PAIRS
      attend_words<kRows>(block, dim, call, queries);
#endif
    } else {
      attend_tile<T, kRows>(block, dim, padded, call, queries);
    }
  } else if constexpr (kRows > 1) {
    attend_some<T, kRows - 1>(block, dim, padded, call, queries, count);
  }
}

template <class T>
void attend_block(const KeyBlock<T>& block, int64_t padded, const AttentionCall& call, Query* queries, int64_t count) {
  // Rows that see nothing of the block lie at an end: before a causal row's diagonal, or past a window.
  while (count > 0 && queries[0].begin >= queries[0].end) ++queries, --count;
  while (count > 0 && queries[count - 1].begin >= queries[count - 1].end) --count;
  for (int64_t i = 0; i < count; i += kAttentionRows) {
    const int64_t rows = count - i < kAttentionRows ? count - i : kAttentionRows;
    attend_some<T, kAttentionRows>(block, call.head_dim, padded, call, queries + i, rows);
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
