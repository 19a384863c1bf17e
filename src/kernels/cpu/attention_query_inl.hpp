// One query vector beside a block of keys: scores, and weighted values, for keys of float32 and half precision.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/prefetch_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

LINNET_INLINE F32 load_number(const float* p) {
  return load(p);
}
LINNET_INLINE F32 load_number(const uint16_t* p) {
  return load_f16(p);
}
LINNET_INLINE F32 load_number(const int8_t* p) {
  return to_f32(load_i8(p));
}

// One query vector: a row and a head.
struct Query {
  int64_t position;
  int64_t head;
  const float* q;         // (D)
  const uint32_t* pairs;  // (D / 2) of two bfloat16 or two words, where keys are such
  float pair_scale;       // words: of the scores
  float* out;             // (D rounded up to 16): the values of this part so far, weighted by exp(score - highest)
  float* weights;         // (kAttentionBlock); bfloat16 or words where values are
  float weight_scale;     // words: of the block's weighted values
  float* sums;            // (16): of the weights so far, lane by lane
  float highest;          // score of before, or up to kHeadroom below it
  int64_t begin;          // keys of the current block that it sees
  int64_t end;
  const float* bias;  // (kAttentionBlock) of the current block, or null
};

// A block of one key/value head. T: float, uint16_t (half precision), int8_t, Bf16Pair or WordPair.
template <class T>
struct KeyBlock {
  const T* keys;    // (D, kAttentionBlock)
  const T* values;  // (kAttentionBlock, stride)
  int64_t stride;
  // Those of the block that comes next, to be fetched meanwhile: blocks lie apart, where no processor expects them. Any
  // address will do where there is none.
  const T* next_keys;
  const T* next_values;
  // Numbers of positions are multiplied by these (kAttentionBlock), or null.
  const float* key_scales;
  const float* value_scales;
};

// Two bfloat16 of neighbouring dimensions (keys) or positions (values).
struct Bf16Pair {
  uint32_t bits;
};
// Two 16-bit integers, likewise.
struct WordPair {
  uint32_t bits;
};
template <class T>
inline constexpr bool kIsPair = std::is_same_v<T, Bf16Pair> || std::is_same_v<T, WordPair>;

template <class T, int kRows, int kVecs>
LINNET_INLINE void score_columns(const KeyBlock<T>& block, int64_t dim, const Query* queries, float scale,
                                 int64_t column) {
  F32 acc[kRows][kVecs];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) acc[r][v] = zero();
  }
  for (int64_t d = 0; d < dim; ++d) {
    F32 k[kVecs];
    const int64_t at = d * kAttentionBlock + column;
    if constexpr (sizeof(T) <= 2) prefetch_row(block.next_keys + at, kLanes * kVecs);
    for (int v = 0; v < kVecs; ++v) k[v] = load_number(block.keys + at + kLanes * v);
    for (int r = 0; r < kRows; ++r) {
      const F32 q = set1(queries[r].q[d]);
      for (int v = 0; v < kVecs; ++v) acc[r][v] = fmadd(k[v], q, acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) {
      const int64_t at = column + kLanes * v;
      F32 score = mul(acc[r][v], set1(scale));
      if (block.key_scales) score = mul(score, load(block.key_scales + at));
      store(queries[r].weights + at, score);
    }
  }
}

template <class T, int kRows, int kVecs>
LINNET_INLINE void add_columns(const KeyBlock<T>& block, int64_t begin, int64_t end, const Query* queries,
                               int64_t column) {
  F32 acc[kRows][kVecs];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) acc[r][v] = load(queries[r].out + column + kLanes * v);
  }
  for (int64_t j = begin; j < end; ++j) {
    F32 value[kVecs];
    const int64_t at = j * block.stride + column;
    if constexpr (sizeof(T) <= 2) prefetch_row(block.next_values + at, kLanes * kVecs);
    for (int v = 0; v < kVecs; ++v) value[v] = load_number(block.values + at + kLanes * v);
    for (int r = 0; r < kRows; ++r) {
      const F32 weight = set1(queries[r].weights[j]);
      for (int v = 0; v < kVecs; ++v) acc[r][v] = fmadd(value[v], weight, acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) store(queries[r].out + column + kLanes * v, acc[r][v]);
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
