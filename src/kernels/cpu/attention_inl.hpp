// Attention of the heads that share one key/value head, block of keys by block (ops/attention.hpp).
//
// The arithmetic of one row and head, the same in every schedule: scores are fused multiply-adds over the dimensions in
// order; a block's weights are summed in one fixed tree; values are added key by key. So a row has the same bits in a
// prefill, where a block is widened to floats once for many rows, and in decoding, where it is read as it lies.
#pragma once

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
  const float* q;  // (D)
  float* out;      // (D rounded up to 16): the values so far, weighted by exp(score - highest)
  float* weights;  // (kAttentionBlock)
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
};

template <class T, int kRows, int kVecs>
LINNET_INLINE void score_columns(const T* keys, int64_t dim, const Query* queries, float scale, int64_t column) {
  F32 acc[kRows][kVecs];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) acc[r][v] = zero();
  }
  for (int64_t d = 0; d < dim; ++d) {
    F32 k[kVecs];
    for (int v = 0; v < kVecs; ++v) k[v] = load_number(keys + d * kAttentionBlock + column + 16 * v);
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
    for (int v = 0; v < kVecs; ++v) value[v] = load_number(block.values + j * block.stride + column + 16 * v);
    for (int r = 0; r < kRows; ++r) {
      const F32 weight = set1(queries[r].weights[j]);
      for (int v = 0; v < kVecs; ++v) acc[r][v] = fmadd(value[v], weight, acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) store(queries[r].out + column + 16 * v, acc[r][v]);
  }
}

// out += weights · values over keys [begin, end) of the block.
template <class T, int kRows>
LINNET_INLINE void add_values(const KeyBlock<T>& block, int64_t dim, int64_t begin, int64_t end, const Query* queries) {
  if (begin >= end) return;
  int64_t column = 0;
  for (; column + 16 * kAttentionVecs <= dim; column += 16 * kAttentionVecs) {
    add_columns<T, kRows, kAttentionVecs>(block, begin, end, queries, column);
  }
  for (; column < dim; column += 16) add_columns<T, kRows, 1>(block, begin, end, queries, column);
}

LINNET_INLINE F32 capped(F32 score, float cap) {  // cap * tanh(score / cap)
  const F32 e = exp(mul(score, set1(2 / cap)));
  return mul(set1(cap), sub(set1(1.0f), div(set1(2.0f), add(e, set1(1.0f)))));
}

// From scores to weights, and what came before rescaled to the new highest score.
LINNET_INLINE void soften(Query& query, int64_t dim, float softcap) {
  constexpr int kVecs = kAttentionBlock / 16;
  alignas(64) static constexpr float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const F32 nothing = set1(-__builtin_inff());
  F32 score[kVecs];
  F32 highest = set1(query.highest);
  for (int v = 0; v < kVecs; ++v) {
    score[v] = load(query.weights + 16 * v);
    if (softcap > 0) score[v] = capped(score[v], softcap);
    const F32 lane = add(load(kLanes), set1(static_cast<float>(16 * v)));
    score[v] = select_less(lane, set1(static_cast<float>(query.begin)), nothing, score[v]);
    score[v] = select_less(lane, set1(static_cast<float>(query.end)), score[v], nothing);
    highest = max(score[v], highest);
  }
  const float block_highest = reduce_max(highest);
  for (int v = 0; v < kVecs; ++v) {
    score[v] = exp(sub(score[v], set1(block_highest)));
    store(query.weights + 16 * v, score[v]);
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

template <class T, int kRows>
void attend_tile(const KeyBlock<T>& block, int64_t dim, int64_t padded, const AttentionCall& call, Query* queries) {
  for (int64_t column = 0; column < kAttentionBlock; column += 16 * kAttentionVecs) {
    score_columns<T, kRows, kAttentionVecs>(block.keys, dim, queries, call.scale, column);
  }
  int64_t begin = 0;
  int64_t end = kAttentionBlock;
  for (int r = 0; r < kRows; ++r) {
    soften(queries[r], padded, call.softcap);
    begin = queries[r].begin > begin ? queries[r].begin : begin;
    end = queries[r].end < end ? queries[r].end : end;
  }
  // Keys that all see are added together; a key that a row does not see never touches it, whatever it holds.
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

// Widens keys [0, valid) of one head to floats: keys (D, kAttentionBlock), values (kAttentionBlock, padded), zero
// where there is nothing.
template <class T>
void widen_block(const AttentionCall& call, const T* keys, const T* values, int64_t valid, float* wide_keys,
                 float* wide_values) {
  const int64_t dim = call.head_dim;
  const int64_t padded = padded_dim(dim);
  const int64_t stride = call.by_head ? dim : call.kv_heads * dim;
  const int64_t head_at = call.kv_head * dim * (call.by_head ? kAttentionBlock : 1);
  alignas(64) T part[16] = {};
  alignas(64) float numbers[16];
  if (call.by_head) {
    for (int64_t i = 0; i < dim * kAttentionBlock; i += 16) {
      store(wide_keys + i, load_number(keys + head_at + i));
    }
  }
  for (int64_t j = 0; j < kAttentionBlock; ++j) {
    for (int64_t d = 0; d < dim; d += 16) {
      const int64_t n = dim - d < 16 ? dim - d : 16;
      const auto bytes = static_cast<size_t>(n) * sizeof(T);
      std::memset(part, 0, sizeof(part));
      if (j < valid) std::memcpy(part, values + head_at + j * stride + d, bytes);
      store(wide_values + j * padded + d, load_number(part));
      if (call.by_head) continue;
      if (j < valid) std::memcpy(part, keys + head_at + j * stride + d, bytes);
      store(numbers, load_number(part));
      for (int64_t i = 0; i < n; ++i) wide_keys[(d + i) * kAttentionBlock + j] = numbers[i];
    }
  }
}

struct AttentionScratch {
  Query* queries;
  float* out;      // (queries, padded)
  float* weights;  // (queries, kAttentionBlock)
  float* keys;     // (D, kAttentionBlock)
  float* values;   // (kAttentionBlock, padded)
};

int64_t attention_scratch(int64_t head_dim, int64_t queries) {
  const int64_t padded = padded_dim(head_dim);
  const auto floats_per_query = padded + kAttentionBlock;
  const auto query_bytes = (queries * static_cast<int64_t>(sizeof(Query)) + 63) / 64 * 64;
  return query_bytes + 4 * (queries * floats_per_query + 2 * padded * kAttentionBlock);
}

AttentionScratch carve(const AttentionCall& call, int64_t queries) {
  const int64_t padded = padded_dim(call.head_dim);
  AttentionScratch scratch;
  scratch.queries = reinterpret_cast<Query*>(call.scratch);
  const auto query_bytes = (queries * static_cast<int64_t>(sizeof(Query)) + 63) / 64 * 64;
  scratch.out = reinterpret_cast<float*>(call.scratch + query_bytes);
  scratch.weights = scratch.out + queries * padded;
  scratch.keys = scratch.weights + queries * kAttentionBlock;
  scratch.values = scratch.keys + padded * kAttentionBlock;
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

template <class T>
void attend_spans(const AttentionCall& call, const AttentionScratch& scratch, int64_t count) {
  // Below this many queries a block is read as it lies: widening it first would cost more than it saves.
  constexpr int64_t kFewQueries = 2 * kAttentionRows;
  const int64_t dim = call.head_dim;
  const int64_t padded = padded_dim(dim);
  const int64_t group = call.heads / call.kv_heads;
  const bool as_it_lies = call.by_head && dim == padded && count <= kFewQueries;
  const int64_t first_key = visible(call, call.position + call.begin).first;
  const int64_t last_key = visible(call, call.position + call.end - 1).last;
  for (int64_t b = first_key / kAttentionBlock; b * kAttentionBlock < last_key; ++b) {
    const int64_t start = b * kAttentionBlock;
    for (int64_t i = 0; i < count; ++i) {
      const KeyRange range = visible(call, call.position + call.begin + i / group);
      scratch.queries[i].begin = range.first > start ? range.first - start : 0;
      scratch.queries[i].end = range.last - start < kAttentionBlock ? range.last - start : kAttentionBlock;
    }
    const auto* keys = reinterpret_cast<const T*>(call.key_blocks[b]);
    const auto* values = reinterpret_cast<const T*>(call.value_blocks[b]);
    if (as_it_lies) {
      const int64_t at = call.kv_head * dim * kAttentionBlock;
      attend_block<T>({keys + at, values + at, dim}, padded, call, scratch.queries, count);
    } else {
      const int64_t valid = call.keys - start < kAttentionBlock ? call.keys - start : kAttentionBlock;
      widen_block(call, keys, values, valid, scratch.keys, scratch.values);
      attend_block<float>({scratch.keys, scratch.values, padded}, padded, call, scratch.queries, count);
    }
  }
}

void attention(const AttentionCall& call) {
  const int64_t dim = call.head_dim;
  const int64_t padded = padded_dim(dim);
  const int64_t group = call.heads / call.kv_heads;
  const int64_t count = (call.end - call.begin) * group;
  const AttentionScratch scratch = carve(call, count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t head = call.kv_head * group + i % group;
    const int64_t row = call.row_begin + call.begin + i / group;
    scratch.queries[i] = {call.q + (row * call.heads + head) * dim,
                          scratch.out + i * padded,
                          scratch.weights + i * kAttentionBlock,
                          call.sinks ? call.sinks[head] : -__builtin_inff(),
                          call.sinks ? 1.0f : 0.0f,
                          0,
                          0};
    for (int64_t d = 0; d < padded; d += 16) store(scratch.queries[i].out + d, zero());
  }
  if (call.half) {
    attend_spans<uint16_t>(call, scratch, count);
  } else {
    attend_spans<float>(call, scratch, count);
  }
  for (int64_t i = 0; i < count; ++i) {
    const Query& query = scratch.queries[i];
    float* out = call.out + (query.q - call.q);
    for (int64_t d = 0; d < dim; d += 16) {
      const int64_t n = dim - d < 16 ? dim - d : 16;
      const F32 mean = div(load(query.out + d), set1(query.sum));
      if (n == 16) {
        store(out + d, mean);
      } else {
        store_first(out + d, n, mean);
      }
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
