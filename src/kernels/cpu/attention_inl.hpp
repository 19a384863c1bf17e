// Attention of the heads that share one key/value head, block of keys by block (ops/attention.hpp).
//
// The arithmetic of one row and head, the same in every schedule: scores are fused multiply-adds over the dimensions in
// order; a part's weights are summed lane by lane, and the lanes in one fixed tree; values are added key by key; after
// every kAttentionPart keys the sums are joined to those of the parts before. So a row has the same bits in a prefill,
// where a block is widened to floats once for many rows, and in decoding, where it is read as it lies and threads share
// the parts.
#pragma once

#include "kernels/cpu/attention_block_inl.hpp"
// After its softmax.
#include "kernels/cpu/attention_tiles_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

int64_t padded_dim(int64_t dim) {
  return (dim + 15) / 16 * 16;
}

template <class T>
inline constexpr int64_t kPerElement = kIsPair<T> ? 2 : 1;
template <class T>
inline constexpr bool kHasScales = std::is_same_v<T, int8_t> || std::is_same_v<T, WordPair>;

// The numbers of one head begin so many T into a block of keys, and of values.
template <class T>
LINNET_INLINE int64_t head_at(const AttentionCall& call) {
  return call.kv_head * call.head_dim * (call.by_head ? kAttentionBlock : 1) / kPerElement<T>;
}

// Where the scales of one head lie: behind the numbers of all heads.
template <class T>
LINNET_INLINE const float* scales_of(const AttentionCall& call, const T* numbers) {
  const T* behind = numbers + call.kv_heads * call.head_dim * kAttentionBlock / kPerElement<T>;
  return reinterpret_cast<const float*>(behind) + call.kv_head * kAttentionBlock;
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
  float* sums;       // (queries, 16)
  float* keys;       // (D, kAttentionBlock)
  float* values;     // (kAttentionBlock, padded)
  float* tiles;      // tile_scratch_floats(padded)
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
  const int64_t floats = queries * (2 * padded + padded / 2 + kAttentionBlock + kLanes) + 2 * padded * kAttentionBlock;
  return query_bytes(queries) + total_bytes(queries) + 4 * (floats + tile_scratch_floats(padded));
}

AttentionScratch carve(const AttentionCall& call, int64_t queries) {
  const int64_t padded = padded_dim(call.head_dim);
  AttentionScratch scratch;
  scratch.queries = reinterpret_cast<Query*>(call.scratch);
  scratch.totals = reinterpret_cast<State*>(call.scratch + query_bytes(queries));
  scratch.out = reinterpret_cast<float*>(call.scratch + query_bytes(queries) + total_bytes(queries));
  scratch.total_out = scratch.out + queries * padded;
  scratch.weights = scratch.total_out + queries * padded;
  scratch.sums = scratch.weights + queries * kAttentionBlock;
  scratch.keys = scratch.sums + queries * kLanes;
  scratch.values = scratch.keys + padded * kAttentionBlock;
  scratch.tiles = scratch.values + padded * kAttentionBlock;
  scratch.pairs = reinterpret_cast<uint32_t*>(scratch.tiles + tile_scratch_floats(padded));
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

// What is added to the scores of a query, from `key` on; or null.
LINNET_INLINE const float* bias_at(const AttentionCall& call, const Query& query, int64_t key) {
  return call.bias ? call.bias + query.head * call.bias_stride + key - query.position : nullptr;
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
  const int64_t count = queries_of(call);
  const bool as_it_lies = kIsPair<T> || (call.by_head && dim == padded && count <= kFewQueries);
  // What the first row sees at the end, and the last one from the start, all see.
  const KeyRange by_all{visible(call, call.position + call.end - 1).first,
                        visible(call, call.position + call.begin).last};
  bool were_whole = false;
  for (int64_t b = range.first / kAttentionBlock; b * kAttentionBlock < range.last; ++b) {
    const int64_t start = b * kAttentionBlock;
    const bool whole = !call.bias && by_all.first <= start && by_all.last >= start + kAttentionBlock;
    for (int64_t i = 0; i < count && !(whole && were_whole); ++i) {
      Query& query = scratch.queries[i];
      const KeyRange seen = visible(call, query.position);
      query.begin = seen.first > start ? seen.first - start : 0;
      query.end = seen.last - start < kAttentionBlock ? seen.last - start : kAttentionBlock;
      query.bias = bias_at(call, query, start);
    }
    were_whole = whole;
    const auto* keys = reinterpret_cast<const T*>(call.key_blocks[b] + call.keys_at);
    const auto* values = reinterpret_cast<const T*>(call.value_blocks[b] + call.values_at);
    const float* key_scales = nullptr;
    const float* value_scales = nullptr;
    if constexpr (kHasScales<T>) {
      key_scales = scales_of(call, keys);
      value_scales = scales_of(call, values);
    }
    if (as_it_lies) {
      const int64_t at = head_at<T>(call);
      const int64_t next = (b + 1) * kAttentionBlock < range.last ? b + 1 : b;
      const auto* next_keys = reinterpret_cast<const T*>(call.key_blocks[next] + call.keys_at);
      const auto* next_values = reinterpret_cast<const T*>(call.value_blocks[next] + call.values_at);
      attend_block<T>({keys + at, values + at, dim, next_keys + at, next_values + at, key_scales, value_scales}, padded,
                      call, scratch.queries, count);
    } else if constexpr (!kIsPair<T>) {
      const int64_t valid = call.keys - start < kAttentionBlock ? call.keys - start : kAttentionBlock;
      widen_block(call, keys, values, valid, scratch.keys, scratch.values);
      attend_block<float>(
          {scratch.keys, scratch.values, padded, scratch.keys, scratch.values, key_scales, value_scales}, padded, call,
          scratch.queries, count);
    }
  }
}

#ifdef LINNET_KERNEL_TILES
// Blocks [first, last) of keys, and those that are as many later, where these begin before `to`.
TileBlocks tile_blocks(const AttentionCall& call, int64_t first, int64_t last, int64_t to) {
  const int64_t at = head_at<Bf16Pair>(call);
  const auto numbers = [&](const std::byte* const* blocks, int64_t b, int64_t bytes) {
    return reinterpret_cast<const uint32_t*>(blocks[b] + bytes) + at;
  };
  TileBlocks blocks;
  blocks.count = last - first;
  for (int64_t b = 0; b < blocks.count; ++b) {
    const int64_t block = first + b;
    const int64_t next = (block + blocks.count) * kAttentionBlock < to ? block + blocks.count : block;
    blocks.keys[b] = numbers(call.key_blocks, block, call.keys_at);
    blocks.values[b] = numbers(call.value_blocks, block, call.values_at);
    blocks.next_keys[b] = numbers(call.key_blocks, next, call.keys_at);
    blocks.next_values[b] = numbers(call.value_blocks, next, call.values_at);
  }
  return blocks;
}

// The keys of `range`, which lie in one part, kSoftKeys at a time.
void attend_tiles(const AttentionCall& call, const AttentionScratch& scratch, KeyRange range) {
  const int64_t count = queries_of(call);
  const int64_t out_stride = count > 1 ? scratch.queries[1].out - scratch.queries[0].out : call.head_dim;
  Tiles tiles;
  if (count <= kTileQueries) {  // the values wait for the scores, and nothing came before that could fetch them
    const int64_t block = range.first / kAttentionBlock;
    const TileBlocks first = tile_blocks(call, block, block + 1, range.last);
    prefetch_row(first.values[0], kAttentionBlock / 2 * call.head_dim);
  }
  for (int64_t start = range.first / kSoftKeys * kSoftKeys; start < range.last; start += kSoftKeys) {
    const int64_t from = (range.first > start ? range.first : start) / kAttentionBlock;
    const int64_t to = range.last - start < kSoftKeys ? range.last : start + kSoftKeys;
    const int64_t key = from * kAttentionBlock;
    const TileBlocks blocks = tile_blocks(call, from, (to + kAttentionBlock - 1) / kAttentionBlock, range.last);
    const int64_t keys = blocks.count * kAttentionBlock;
    for (int64_t first = 0; first < count; first += kTileQueries) {
      Query* queries = scratch.queries + first;
      const int64_t some = count - first < kTileQueries ? count - first : kTileQueries;
      bool seen = false;
      for (int64_t i = 0; i < some; ++i) {
        const KeyRange sees = visible(call, queries[i].position);
        queries[i].begin = sees.first > key ? sees.first - key : 0;
        queries[i].end = sees.last - key < keys ? sees.last - key : keys;
        queries[i].bias = bias_at(call, queries[i], key);
        seen |= queries[i].begin < queries[i].end;
      }
      if (!seen) continue;
      attend_soft_keys({.tiles = &tiles,
                        .queries = queries,
                        .count = some,
                        .dim = call.head_dim,
                        .pairs = queries[0].pairs,
                        .scores = scratch.tiles,
                        .weights = reinterpret_cast<uint16_t*>(scratch.tiles + kTileQueries * kSoftKeys),
                        .out = queries[0].out,
                        .out_stride = out_stride,
                        .cleaned = reinterpret_cast<uint32_t*>(scratch.tiles + kTileQueries * kSoftKeys * 3 / 2),
                        .fetch = count <= kTileQueries},
                       blocks, call);
    }
  }
}
#endif

// Where each query finds its numbers, the same for every part; its out is `out_stride` floats after the one before.
void start_queries(const AttentionCall& call, const AttentionScratch& scratch, float* out, int64_t out_stride) {
  const int64_t group = call.heads / call.kv_heads;
  for (int64_t i = 0; i < queries_of(call); ++i) {
    Query& query = scratch.queries[i];
    query.position = call.position + call.begin + i / group;
    query.head = call.kv_head * group + i % group;
    query.q = call.q + place_of(call, i);
    query.out = out + i * out_stride;
    query.weights = scratch.weights + i * kAttentionBlock;
    query.sums = scratch.sums + i * kLanes;
    uint32_t* pairs = scratch.pairs + i * padded_dim(call.head_dim) / 2;
    query.pairs = pairs;
#ifdef LINNET_KERNEL_BF16_PAIRS
    if (call.format == KeyFormat::kBF16Pairs) narrow_query(query.q, call.head_dim, pairs);
#endif
#ifdef LINNET_KERNEL_WORD_PAIRS
    if (call.format != KeyFormat::kWordPairs) continue;
    query.pair_scale = call.scale * to_words(query.q, call.head_dim, true, reinterpret_cast<int16_t*>(pairs));
#endif
  }
}

// The keys of part `part` alone.
void attend_part(const AttentionCall& call, const AttentionScratch& scratch, int64_t part) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t count = queries_of(call);
  for (int64_t i = 0; i < count; ++i) {
    Query& query = scratch.queries[i];
    query.highest = -__builtin_inff();
    store(query.sums, zero());
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
    case KeyFormat::kI8:
      return attend_blocks<int8_t>(call, scratch, range);
    case KeyFormat::kWordPairs:
#ifdef LINNET_KERNEL_WORD_PAIRS
      attend_blocks<WordPair>(call, scratch, range);
#endif
      return;
    case KeyFormat::kBF16Pairs:
#ifdef LINNET_KERNEL_TILES
      attend_tiles(call, scratch, range);
#elif defined(LINNET_KERNEL_BF16_PAIRS)
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

LINNET_INLINE void write_mean(const float* sums, float weight, int64_t dim, float* out) {
  for (int64_t d = 0; d < dim; d += 16) {
    const int64_t n = dim - d < 16 ? dim - d : 16;
    const F32 mean = div(add(load(sums + d), zero()), set1(weight));  // the zero makes -0 0, as joining does
    if (n == 16) {
      store(out + d, mean);
    } else {
      store_first(out + d, n, mean);
    }
  }
}

void write_totals(const AttentionCall& call, const AttentionScratch& scratch) {
  for (int64_t i = 0; i < queries_of(call); ++i) {
    const State& total = scratch.totals[i];
    write_mean(total.out, total.sum, call.head_dim, call.out + place_of(call, i));
  }
}

// As join() has it from nothing, where a part is scaled by one and added to zero.
void write_only_part(const AttentionCall& call, const AttentionScratch& scratch) {
  for (int64_t i = 0; i < queries_of(call); ++i) {
    const Query& query = scratch.queries[i];
    write_mean(query.out, reduce_add(load(query.sums)), call.head_dim, call.out + place_of(call, i));
  }
}

void attention(const AttentionCall& call) {
  const int64_t padded = padded_dim(call.head_dim);
  const int64_t count = queries_of(call);
  const AttentionScratch scratch = carve(call, count);
  start_queries(call, scratch, scratch.out, padded);
  const int64_t first_part = visible(call, call.position + call.begin).first / kAttentionPart;
  const int64_t last_key = visible(call, call.position + call.end - 1).last;
  if (last_key <= (first_part + 1) * kAttentionPart && !call.sinks) {
    attend_part(call, scratch, first_part);
    return write_only_part(call, scratch);
  }
  start_totals(call, scratch);
  for (int64_t part = first_part; part * kAttentionPart < last_key; ++part) {
    attend_part(call, scratch, part);
    for (int64_t i = 0; i < count; ++i) {
      const Query& query = scratch.queries[i];
      join(scratch.totals[i], query.out, query.highest, reduce_add(load(query.sums)), padded);
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
  start_queries(call, scratch, states, size);
  attend_part(call, scratch, part);
  for (int64_t i = 0; i < count; ++i) {
    states[i * size + padded] = scratch.queries[i].highest;
    states[i * size + padded + 1] = reduce_add(load(scratch.queries[i].sums));
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
#ifdef LINNET_KERNEL_BF16_PAIRS
    .to_pairs = to_pairs,
#else
    .to_pairs = nullptr,
#endif
#ifdef LINNET_KERNEL_WORD_PAIRS
    .to_words = to_words,
#else
    .to_words = nullptr,
#endif
};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
