// Attention of the heads that share one key/value head, block of keys by block (ops/attention.hpp).
//
// The arithmetic of one row and head, the same in every schedule: scores are fused multiply-adds over the dimensions in
// order; a block's weights are summed in one fixed tree; values are added key by key; after every kAttentionPart keys
// the sums are joined to those of the parts before. So a row has the same bits in a prefill, where a block is widened
// to floats once for many rows, and in decoding, where it is read as it lies and threads share the parts.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

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

LINNET_INLINE float reduce_max(F32 a) {
  for (int step = 8; step > 0; step /= 2) a = max(a, swap_halves(a, step));
  return first(a);
}

// One query vector: a row and a head.
struct Query {
  const float* q;         // (D)
  const uint32_t* pairs;  // (D / 2) of two bfloat16, where keys are such
  float* out;             // (D rounded up to 16): the values of this part so far, weighted by exp(score - highest)
  float* weights;         // (kAttentionBlock); bfloat16 where values are
  float highest;
  float sum;
  int64_t begin;  // keys of the current block that it sees
  int64_t end;
};

// A block of one key/value head. T: float or uint16_t (half precision).
template <class T>
struct KeyBlock {
  const T* keys;    // (D, kAttentionBlock)
  const T* values;  // (kAttentionBlock, stride)
  int64_t stride;
  // Those of the block that comes next, to be fetched meanwhile: blocks lie apart, where no processor expects them. Any
  // address will do where there is none.
  const T* next_keys;
  const T* next_values;
};

template <class T>
LINNET_INLINE void prefetch_row(const T* row, int64_t count) {
  constexpr int64_t kPerLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < count; i += kPerLine) __builtin_prefetch(row + i);
}

// Two bfloat16 of neighbouring dimensions (keys) or positions (values).
struct Bf16Pair {
  uint32_t bits;
};

template <class T>
LINNET_INLINE void store_weights(float* weights, int vec, F32 weight) {
  if constexpr (std::is_same_v<T, Bf16Pair>) {
#ifdef __AVX512BF16__
    store_bf16(reinterpret_cast<uint16_t*>(weights) + 16 * vec, weight);
#endif
  } else {
    store(weights + 16 * vec, weight);
  }
}

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
    if constexpr (sizeof(T) == 2) prefetch_row(block.next_keys + at, 16 * kVecs);
    for (int v = 0; v < kVecs; ++v) k[v] = load_number(block.keys + at + 16 * v);
    for (int r = 0; r < kRows; ++r) {
      const F32 q = set1(queries[r].q[d]);
      for (int v = 0; v < kVecs; ++v) acc[r][v] = fmadd(k[v], q, acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) store(queries[r].weights + column + 16 * v, mul(acc[r][v], set1(scale)));
  }
}

template <class T, int kRows, int kVecs>
LINNET_INLINE void add_columns(const KeyBlock<T>& block, int64_t begin, int64_t end, const Query* queries,
                               int64_t column) {
  F32 acc[kRows][kVecs];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) acc[r][v] = load(queries[r].out + column + 16 * v);
  }
  for (int64_t j = begin; j < end; ++j) {
    F32 value[kVecs];
    const int64_t at = j * block.stride + column;
    if constexpr (sizeof(T) == 2) prefetch_row(block.next_values + at, 16 * kVecs);
    for (int v = 0; v < kVecs; ++v) value[v] = load_number(block.values + at + 16 * v);
    for (int r = 0; r < kRows; ++r) {
      const F32 weight = set1(queries[r].weights[j]);
      for (int v = 0; v < kVecs; ++v) acc[r][v] = fmadd(value[v], weight, acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) store(queries[r].out + column + 16 * v, acc[r][v]);
  }
}

LINNET_INLINE F32 capped(F32 score, float cap) {  // cap * tanh(score / cap)
  const F32 e = exp(mul(score, set1(2 / cap)));
  return mul(set1(cap), sub(set1(1.0f), div(set1(2.0f), add(e, set1(1.0f)))));
}

// Scores of keys outside [begin, end) become -infinity.
LINNET_INLINE F32 masked(F32 score, int64_t first_lane, int64_t begin, int64_t end) {
  alignas(64) static constexpr float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F32 nothing = set1(-__builtin_inff());
  const F32 lane = add(load(kLanes), set1(static_cast<float>(first_lane)));
  score = select_less(lane, set1(static_cast<float>(begin)), nothing, score);
  return select_less(lane, set1(static_cast<float>(end)), score, nothing);
}

// From scores to weights, as a block of T multiplies them, and what came before rescaled to the new highest score.
template <class T>
LINNET_INLINE void soften(Query& query, int64_t dim, float softcap) {
  constexpr int kVecs = kAttentionBlock / 16;
  const bool all = query.begin == 0 && query.end == kAttentionBlock;
  F32 score[kVecs];
  F32 highest = set1(query.highest);
  for (int v = 0; v < kVecs; ++v) {
    score[v] = load(query.weights + 16 * v);
    if (softcap > 0) score[v] = capped(score[v], softcap);
    if (!all) score[v] = masked(score[v], 16 * v, query.begin, query.end);
    highest = max(score[v], highest);
  }
  const float block_highest = reduce_max(highest);
  for (int v = 0; v < kVecs; ++v) {
    score[v] = exp_below_one(sub(score[v], set1(block_highest)));
    store_weights<T>(query.weights, v, score[v]);
  }
  static_assert(kVecs == 4);
  const float block_sum = reduce_add(add(add(score[0], score[1]), add(score[2], score[3])));
  if (block_highest != query.highest) {  // else the factor is exactly 1
    const F32 rescale = exp(sub(set1(query.highest), set1(block_highest)));
    query.sum *= first(rescale);
    for (int64_t d = 0; d < dim; d += 16) store(query.out + d, mul(load(query.out + d), rescale));
    query.highest = block_highest;
  }
  query.sum += block_sum;
}

#ifdef __AVX512BF16__
template <int kRows>
LINNET_INLINE void score_pairs(const KeyBlock<Bf16Pair>& block, int64_t dim, const Query* queries, float scale) {
  constexpr int kVecs = kAttentionBlock / 16;
  F32 acc[kRows][kVecs];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) acc[r][v] = zero();
  }
  for (int64_t p = 0; p < dim / 2; ++p) {
    const int64_t at = p * kAttentionBlock;
    prefetch_row(block.next_keys + at, kAttentionBlock);
    Bf16s k[kVecs];
    for (int v = 0; v < kVecs; ++v) k[v] = load_pairs(&block.keys[at + 16 * v].bits);
    for (int r = 0; r < kRows; ++r) {
      const Bf16s q = set1_pair(queries[r].pairs[p]);
      for (int v = 0; v < kVecs; ++v) acc[r][v] = add_dot(acc[r][v], k[v], q);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) store(queries[r].weights + 16 * v, mul(acc[r][v], set1(scale)));
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

LINNET_INLINE uint32_t weight_pair(const Query& query, int64_t pair) {
  uint32_t bits;
  std::memcpy(&bits, reinterpret_cast<const std::byte*>(query.weights) + pair * sizeof(bits), sizeof(bits));
  return bits;
}

// out += weights · values over pairs [begin, end) of keys. keep: the bits of each pair that count.
template <int kRows, int kVecs>
LINNET_INLINE void add_pair_columns(const KeyBlock<Bf16Pair>& block, int64_t begin, int64_t end, uint32_t keep,
                                    const Query* queries, int64_t column) {
  F32 acc[kRows][kVecs];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) acc[r][v] = load(queries[r].out + column + 16 * v);
  }
  for (int64_t pair = begin; pair < end; ++pair) {
    const int64_t at = pair * block.stride + column;
    prefetch_row(block.next_values + at, 16 * kVecs);
    Bf16s value[kVecs];
    for (int v = 0; v < kVecs; ++v) value[v] = and_pairs(load_pairs(&block.values[at + 16 * v].bits), keep);
    for (int r = 0; r < kRows; ++r) {
      const Bf16s weight = set1_pair(weight_pair(queries[r], pair));
      for (int v = 0; v < kVecs; ++v) acc[r][v] = add_dot(acc[r][v], value[v], weight);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) store(queries[r].out + column + 16 * v, acc[r][v]);
  }
}

template <int kRows>
LINNET_INLINE void add_pairs_of_keys(const KeyBlock<Bf16Pair>& block, int64_t dim, int64_t begin, int64_t end,
                                     uint32_t keep, const Query* queries) {
  int64_t column = 0;
  for (; column + 16 * kAttentionVecs <= dim; column += 16 * kAttentionVecs) {
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

// out += weights · values over keys [begin, end) of the block.
template <class T, int kRows>
LINNET_INLINE void add_values(const KeyBlock<T>& block, int64_t dim, int64_t begin, int64_t end, const Query* queries) {
  if (begin >= end) return;
  if constexpr (std::is_same_v<T, Bf16Pair>) {
#ifdef __AVX512BF16__
    add_paired_values<kRows>(block, dim, begin, end, queries);
#endif
  } else {
    int64_t column = 0;
    for (; column + 16 * kAttentionVecs <= dim; column += 16 * kAttentionVecs) {
      add_columns<T, kRows, kAttentionVecs>(block, begin, end, queries, column);
    }
    for (; column < dim; column += 16) add_columns<T, kRows, 1>(block, begin, end, queries, column);
  }
}

// The scores of all keys of a block, times the scale.
template <class T, int kRows>
LINNET_INLINE void score_block(const KeyBlock<T>& block, int64_t dim, const Query* queries, float scale) {
  if constexpr (std::is_same_v<T, Bf16Pair>) {
#ifdef __AVX512BF16__
    score_pairs<kRows>(block, dim, queries, scale);
#endif
  } else {
    for (int64_t column = 0; column < kAttentionBlock; column += 16 * kAttentionVecs) {
      score_columns<T, kRows, kAttentionVecs>(block, dim, queries, scale, column);
    }
  }
}

template <class T, int kRows>
void attend_tile(const KeyBlock<T>& block, int64_t dim, int64_t padded, const AttentionCall& call, Query* queries) {
  score_block<T, kRows>(block, dim, queries, call.scale);
  int64_t begin = 0;
  int64_t end = kAttentionBlock;
  for (int r = 0; r < kRows; ++r) {
    soften<T>(queries[r], padded, call.softcap);
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
    attend_tile<T, kRows>(block, dim, padded, call, queries);
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

int64_t padded_dim(int64_t dim) {
  return (dim + 15) / 16 * 16;
}

// The numbers of one head begin so many T into a block of keys, and of values.
template <class T>
LINNET_INLINE int64_t head_at(const AttentionCall& call) {
  constexpr int64_t kPerNumber = std::is_same_v<T, Bf16Pair> ? 2 : 1;
  return call.kv_head * call.head_dim * (call.by_head ? kAttentionBlock : 1) / kPerNumber;
}

// Widens keys [0, valid) of one head to floats: keys (D, kAttentionBlock), values (kAttentionBlock, padded), zero
// where there is nothing.
template <class T>
void widen_block(const AttentionCall& call, const T* keys, const T* values, int64_t valid, float* wide_keys,
                 float* wide_values) {
  const int64_t dim = call.head_dim;
  const int64_t padded = padded_dim(dim);
  const int64_t stride = call.by_head ? dim : call.kv_heads * dim;
  const int64_t at_head = head_at<T>(call);
  alignas(64) T part[16] = {};
  alignas(64) float numbers[16];
  if (call.by_head) {
    for (int64_t i = 0; i < dim * kAttentionBlock; i += 16) {
      store(wide_keys + i, load_number(keys + at_head + i));
    }
  }
  for (int64_t j = 0; j < kAttentionBlock; ++j) {
    for (int64_t d = 0; d < dim; d += 16) {
      const int64_t n = dim - d < 16 ? dim - d : 16;
      const auto bytes = static_cast<size_t>(n) * sizeof(T);
      std::memset(part, 0, sizeof(part));
      if (j < valid) std::memcpy(part, values + at_head + j * stride + d, bytes);
      store(wide_values + j * padded + d, load_number(part));
      if (call.by_head) continue;
      if (j < valid) std::memcpy(part, keys + at_head + j * stride + d, bytes);
      store(numbers, load_number(part));
      for (int64_t i = 0; i < n; ++i) wide_keys[(d + i) * kAttentionBlock + j] = numbers[i];
    }
  }
}

// What a softmax over some keys leaves: values weighted by exp(score - highest), and the sum of those weights.
struct State {
  float* out;  // (D rounded up to 16)
  float highest;
  float sum;
};

struct AttentionScratch {
  Query* queries;
  State* totals;
  float* out;        // (queries, padded)
  float* total_out;  // (queries, padded)
  float* weights;    // (queries, kAttentionBlock)
  float* keys;       // (D, kAttentionBlock)
  float* values;     // (kAttentionBlock, padded)
  uint32_t* pairs;   // (queries, padded / 2)
};

constexpr int64_t whole_lines(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}
int64_t query_bytes(int64_t queries) {
  return whole_lines(queries * static_cast<int64_t>(sizeof(Query)));
}
int64_t total_bytes(int64_t queries) {
  return whole_lines(queries * static_cast<int64_t>(sizeof(State)));
}

int64_t attention_scratch(int64_t head_dim, int64_t queries) {
  const int64_t padded = padded_dim(head_dim);
  const int64_t floats = queries * (2 * padded + padded / 2 + kAttentionBlock) + 2 * padded * kAttentionBlock;
  return query_bytes(queries) + total_bytes(queries) + 4 * floats;
}

AttentionScratch carve(const AttentionCall& call, int64_t queries) {
  const int64_t padded = padded_dim(call.head_dim);
  AttentionScratch scratch;
  scratch.queries = reinterpret_cast<Query*>(call.scratch);
  scratch.totals = reinterpret_cast<State*>(call.scratch + query_bytes(queries));
  scratch.out = reinterpret_cast<float*>(call.scratch + query_bytes(queries) + total_bytes(queries));
  scratch.total_out = scratch.out + queries * padded;
  scratch.weights = scratch.total_out + queries * padded;
  scratch.keys = scratch.weights + queries * kAttentionBlock;
  scratch.values = scratch.keys + padded * kAttentionBlock;
  scratch.pairs = reinterpret_cast<uint32_t*>(scratch.values + padded * kAttentionBlock);
  return scratch;
}

struct KeyRange {
  int64_t first;
  int64_t last;
};
LINNET_INLINE KeyRange visible(const AttentionCall& call, int64_t position) {
  const int64_t first = call.window > 0 && position + 1 > call.window ? position + 1 - call.window : 0;
  return {first, call.causal ? position + 1 : call.keys};
}

LINNET_INLINE int64_t queries_of(const AttentionCall& call) {
  return (call.end - call.begin) * (call.heads / call.kv_heads);
}
// Where query i has its numbers in q and out.
LINNET_INLINE int64_t place_of(const AttentionCall& call, int64_t i) {
  const int64_t group = call.heads / call.kv_heads;
  const int64_t row = call.row_begin + call.begin + i / group;
  return (row * call.heads + call.kv_head * group + i % group) * call.head_dim;
}

template <class T>
void attend_blocks(const AttentionCall& call, const AttentionScratch& scratch, KeyRange range) {
  // Below this many queries a block is read as it lies: widening it first would cost more than it saves.
  constexpr int64_t kFewQueries = 2 * kAttentionRows;
  const int64_t dim = call.head_dim;
  const int64_t padded = padded_dim(dim);
  const int64_t group = call.heads / call.kv_heads;
  const int64_t count = queries_of(call);
  const bool as_it_lies = std::is_same_v<T, Bf16Pair> || (call.by_head && dim == padded && count <= kFewQueries);
  for (int64_t b = range.first / kAttentionBlock; b * kAttentionBlock < range.last; ++b) {
    const int64_t start = b * kAttentionBlock;
    for (int64_t i = 0; i < count; ++i) {
      const KeyRange seen = visible(call, call.position + call.begin + i / group);
      scratch.queries[i].begin = seen.first > start ? seen.first - start : 0;
      scratch.queries[i].end = seen.last - start < kAttentionBlock ? seen.last - start : kAttentionBlock;
    }
    const auto* keys = reinterpret_cast<const T*>(call.key_blocks[b] + call.keys_at);
    const auto* values = reinterpret_cast<const T*>(call.value_blocks[b] + call.values_at);
    if (as_it_lies) {
      const int64_t at = head_at<T>(call);
      const int64_t next = (b + 1) * kAttentionBlock < range.last ? b + 1 : b;
      const auto* next_keys = reinterpret_cast<const T*>(call.key_blocks[next] + call.keys_at);
      const auto* next_values = reinterpret_cast<const T*>(call.value_blocks[next] + call.values_at);
      attend_block<T>({keys + at, values + at, dim, next_keys + at, next_values + at}, padded, call, scratch.queries,
                      count);
    } else if constexpr (!std::is_same_v<T, Bf16Pair>) {
      const int64_t valid = call.keys - start < kAttentionBlock ? call.keys - start : kAttentionBlock;
      widen_block(call, keys, values, valid, scratch.keys, scratch.values);
      attend_block<float>({scratch.keys, scratch.values, padded, scratch.keys, scratch.values}, padded, call,
                          scratch.queries, count);
    }
  }
}

// The keys of part `part` alone; every query's out is there already.
void attend_part(const AttentionCall& call, const AttentionScratch& scratch, int64_t part) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t count = queries_of(call);
  for (int64_t i = 0; i < count; ++i) {
    Query& query = scratch.queries[i];
    query.q = call.q + place_of(call, i);
    query.weights = scratch.weights + i * kAttentionBlock;
    query.highest = -__builtin_inff();
    query.sum = 0;
    for (int64_t d = 0; d < padded; d += 16) store(query.out + d, zero());
  }
  KeyRange range{visible(call, call.position + call.begin).first, visible(call, call.position + call.end - 1).last};
  const int64_t start = part * kAttentionPart;
  if (range.first < start) range.first = start;
  if (range.last > start + kAttentionPart) range.last = start + kAttentionPart;
  switch (call.format) {
    case KeyFormat::kF32:
      return attend_blocks<float>(call, scratch, range);
    case KeyFormat::kF16:
      return attend_blocks<uint16_t>(call, scratch, range);
    case KeyFormat::kBF16Pairs:
#ifdef __AVX512BF16__
      for (int64_t i = 0; i < count; ++i) {
        uint32_t* pairs = scratch.pairs + i * padded / 2;
        narrow_query(scratch.queries[i].q, call.head_dim, pairs);
        scratch.queries[i].pairs = pairs;
      }
      attend_blocks<Bf16Pair>(call, scratch, range);
#endif
      return;
  }
}

void start_totals(const AttentionCall& call, const AttentionScratch& scratch) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t group = call.heads / call.kv_heads;
  for (int64_t i = 0; i < queries_of(call); ++i) {
    State& total = scratch.totals[i];
    total.out = scratch.total_out + i * padded;
    total.highest = call.sinks ? call.sinks[call.kv_head * group + i % group] : -__builtin_inff();
    total.sum = call.sinks ? 1.0f : 0.0f;
    for (int64_t d = 0; d < padded; d += 16) store(total.out + d, zero());
  }
}

// total += part, each rescaled to the higher of their highest scores. A part that a row does not see leaves its bits.
void join(State& total, const float* out, float highest, float sum, int64_t padded) {
  if (sum == 0) return;
  const float top = highest > total.highest ? highest : total.highest;
  const F32 old_scale = exp(set1(total.highest - top));
  const F32 new_scale = exp(set1(highest - top));
  for (int64_t d = 0; d < padded; d += 16) {
    store(total.out + d, fmadd(load(out + d), new_scale, mul(load(total.out + d), old_scale)));
  }
  total.sum = total.sum * first(old_scale) + sum * first(new_scale);
  total.highest = top;
}

void write_totals(const AttentionCall& call, const AttentionScratch& scratch) {
  const int64_t dim = call.head_dim;
  for (int64_t i = 0; i < queries_of(call); ++i) {
    const State& total = scratch.totals[i];
    float* out = call.out + place_of(call, i);
    for (int64_t d = 0; d < dim; d += 16) {
      const int64_t n = dim - d < 16 ? dim - d : 16;
      const F32 mean = div(load(total.out + d), set1(total.sum));
      if (n == 16) {
        store(out + d, mean);
      } else {
        store_first(out + d, n, mean);
      }
    }
  }
}

void attention(const AttentionCall& call) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t count = queries_of(call);
  const AttentionScratch scratch = carve(call, count);
  for (int64_t i = 0; i < count; ++i) scratch.queries[i].out = scratch.out + i * padded;
  start_totals(call, scratch);
  const int64_t first_key = visible(call, call.position + call.begin).first;
  const int64_t last_key = visible(call, call.position + call.end - 1).last;
  for (int64_t part = first_key / kAttentionPart; part * kAttentionPart < last_key; ++part) {
    attend_part(call, scratch, part);
    for (int64_t i = 0; i < count; ++i) {
      const Query& query = scratch.queries[i];
      join(scratch.totals[i], query.out, query.highest, query.sum, padded);
    }
  }
  write_totals(call, scratch);
}

// A state: out (padded), highest, sum.
int64_t attention_state(int64_t head_dim) {
  return padded_dim(head_dim) + 16;
}

void attention_part(const AttentionCall& call, int64_t part, float* states) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t size = attention_state(call.head_dim);
  const int64_t count = queries_of(call);
  const AttentionScratch scratch = carve(call, count);
  for (int64_t i = 0; i < count; ++i) scratch.queries[i].out = states + i * size;
  attend_part(call, scratch, part);
  for (int64_t i = 0; i < count; ++i) {
    states[i * size + padded] = scratch.queries[i].highest;
    states[i * size + padded + 1] = scratch.queries[i].sum;
  }
}

void attention_join(const AttentionCall& call, const float* states, int64_t parts) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t size = attention_state(call.head_dim);
  const int64_t count = queries_of(call);
  const AttentionScratch scratch = carve(call, count);
  start_totals(call, scratch);
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t i = 0; i < count; ++i, states += size) {
      join(scratch.totals[i], states, states[padded], states[padded + 1], padded);
    }
  }
  write_totals(call, scratch);
}

void to_half(const float* x, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_f16(out + i, load(x + i));
  if (i == n) return;
  uint16_t rest[16];
  store_f16(rest, load_first(x + i, n - i));
  std::memcpy(out + i, rest, static_cast<size_t>(n - i) * sizeof(uint16_t));
}

}  // namespace

constexpr CpuAttention kAttention{
    .whole = attention,
    .scratch = attention_scratch,
    .part = attention_part,
    .join = attention_join,
    .state = attention_state,
    .to_half = to_half,
#ifdef __AVX512BF16__
    .to_pairs = to_pairs,
#else
    .to_pairs = nullptr,
#endif
};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
