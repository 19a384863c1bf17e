// The same for pairs of bfloat16, two products an instruction: keys of neighbouring dimensions, values of neighbouring
// positions.
#pragma once

#include "kernels/cpu/attention_query_inl.hpp"
#include "kernels/cpu/unroll_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Calls f.operator()<row, vector>() for each of the sums of a tile. Blocks are short: only with constant indices do
// their sums stay in registers from one end to the other (gcc 12 unrolls loops too late for that).
template <int kRows, int kVecs, class F>
LINNET_INLINE void for_each_sum(const F& f) {
  unroll<0, kRows * kVecs>([&]<int kSum>()
                               __attribute__((always_inline)) { f.template operator()<kSum / kVecs, kSum % kVecs>(); });
}

LINNET_INLINE uint32_t weight_pair(const Query& query, int64_t pair) {
  uint32_t bits;
  std::memcpy(&bits, reinterpret_cast<const std::byte*>(query.weights) + pair * sizeof(bits), sizeof(bits));
  return bits;
}

#ifdef LINNET_KERNEL_BF16_PAIRS
// acc: the scores, which are not scaled yet.
template <int kRows, int kVecs>
LINNET_INLINE void score_pairs(const KeyBlock<Bf16Pair>& block, int64_t dim, const Query* queries,
                               F32 (&acc)[kRows][kVecs]) {
  static_assert(kLanes * kVecs == kAttentionBlock);
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>() __attribute__((always_inline)) { acc[kRow][kVec] = zero(); });
  for (int64_t p = 0; p < dim / 2; ++p) {
    const int64_t at = p * kAttentionBlock;
    prefetch_row(block.next_keys + at, kAttentionBlock);
    Bf16s k[kVecs];
    unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
      k[kVec] = load_pairs(&block.keys[at + kLanes * kVec].bits);
    });
    unroll<0, kRows>([&]<int kRow>() __attribute__((always_inline)) {
      const Bf16s q = set1_pair(queries[kRow].pairs[p]);
      unroll<0, kVecs>([&]<int kVec>()
                           __attribute__((always_inline)) { acc[kRow][kVec] = add_dot(acc[kRow][kVec], k[kVec], q); });
    });
  }
}

// dim: a multiple of 16.
void narrow_query(const float* q, int64_t dim, uint32_t* pairs) {
  for (int64_t d = 0; d < dim; d += 16) store_bf16(reinterpret_cast<uint16_t*>(pairs) + d, load(q + d));
}

void to_pairs(const float* low, const float* high, int64_t n, uint32_t* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t count = n - i < 16 ? n - i : 16;
    store_pairs_first(out + i, count, load_first(low + i, count), load_first(high + i, count));
  }
}

// out += weights · values over pairs [begin, end) of keys. keep: the bits of each pair that count.
template <int kRows, int kVecs>
LINNET_INLINE void add_pair_columns(const KeyBlock<Bf16Pair>& block, int64_t begin, int64_t end, uint32_t keep,
                                    const Query* queries, int64_t column) {
  F32 acc[kRows][kVecs];
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>() __attribute__((always_inline)) {
    acc[kRow][kVec] = load(queries[kRow].out + column + kLanes * kVec);
  });
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t at = pair * block.stride + column;
    prefetch_row(block.next_values + at, kLanes * kVecs);
    Bf16s value[kVecs];
    unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
      value[kVec] = and_pairs(load_pairs(&block.values[at + kLanes * kVec].bits), keep);
    });
    unroll<0, kRows>([&]<int kRow>() __attribute__((always_inline)) {
      const Bf16s weight = set1_pair(weight_pair(queries[kRow], pair));
      unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
        acc[kRow][kVec] = add_dot(acc[kRow][kVec], value[kVec], weight);
      });
    });
  }
  for_each_sum<kRows, kVecs>([&]<int kRow, int kVec>() __attribute__((always_inline)) {
    store(queries[kRow].out + column + kLanes * kVec, acc[kRow][kVec]);
  });
}

template <int kRows>
LINNET_INLINE void add_pairs_of_keys(const KeyBlock<Bf16Pair>& block, int64_t dim, int64_t begin, int64_t end,
                                     uint32_t keep, const Query* queries) {
  int64_t column = 0;
  for (; column + kLanes * kAttentionVecs <= dim; column += kLanes * kAttentionVecs) {
    add_pair_columns<kRows, kAttentionVecs>(block, begin, end, keep, queries, column);
  }
  for (; column < dim; column += 16) add_pair_columns<kRows, 1>(block, begin, end, keep, queries, column);
}

// Keys [begin, end). Half a pair at an end is one whose other key the row does not see, and which may hold anything.
template <int kRows>
LINNET_INLINE void add_paired_values(const KeyBlock<Bf16Pair>& block, int64_t dim, int64_t begin, int64_t end,
                                     const Query* queries) {
  constexpr uint32_t kLow = 0x0000FFFF;
  constexpr uint32_t kHigh = 0xFFFF0000;
  if (begin % 2 == 1) {
    add_pairs_of_keys<kRows>(block, dim, begin / 2, begin / 2 + 1, kHigh, queries);
    ++begin;
  }
  add_pairs_of_keys<kRows>(block, dim, begin / 2, end / 2, kLow | kHigh, queries);
  if (end % 2 == 1 && end > begin) add_pairs_of_keys<kRows>(block, dim, end / 2, end / 2 + 1, kLow, queries);
}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
