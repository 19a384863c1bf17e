// The same for pairs of bfloat16 by tiles (AMX), for keys and values as attention_pairs_inl.hpp has them.
//
// The arithmetic of one row and head: scores are sums over 32 dimensions at a time (16 where 32 do not divide them), in
// order, each as tile_add_product says; kSoftKeys keys share one highest score, whose raising rescales what came
// before; weights are rounded to bfloat16 and multiplied with the values of 32 keys at a time, in order. Keys that a
// row does not see have the weight zero, which leaves the bits of a sum alone, so long as their values are finite.
#pragma once

#include "kernels/cpu/attention_query_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kSoftKeys = 256;  // divides kAttentionPart
#ifdef LINNET_KERNEL_TILES
constexpr int64_t kTileQueries = 2 * kTileHeight;
#else
constexpr int64_t kTileQueries = 0;
#endif

// Of memory for the scores, and for two blocks of values.
int64_t tile_scratch_floats(int64_t padded) {
  return kTileQueries > 0 ? kTileQueries * kSoftKeys + kAttentionBlock * padded : 0;
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA

#ifdef LINNET_KERNEL_TILES
namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kSoftBlocks = kSoftKeys / kAttentionBlock;
constexpr int64_t kKeyRowBytes = kAttentionBlock * 4;  // of one pair of dimensions
constexpr int64_t kTileKeys = 32;                      // that one product of weights and values sums

// Up to kTileQueries rows and heads beside up to kSoftKeys keys.
struct TileQueries {
  Query* queries;
  int64_t count;
  int64_t dim;
  const uint32_t* pairs;  // (count, dim / 2)
  float* scores;          // (kTileQueries, kSoftKeys); then, in each row, its weights in bfloat16
  float* out;             // (count, out_stride)
  int64_t out_stride;
  std::byte* cleaned;  // two blocks of values

  int64_t upper() const { return count < kTileHeight ? count : kTileHeight; }
  int64_t lower() const { return count - upper(); }
};

// Blocks [first, last) of one head. Which keys of them a query sees are its begin and end, counted from the first.
struct TileBlocks {
  const uint32_t* keys[kSoftBlocks];
  const uint32_t* values[kSoftBlocks];  // null: of no weight
  const uint32_t* next_keys[kSoftBlocks];
  const uint32_t* next_values[kSoftBlocks];
  int64_t count;
};

// Fetches a tile's place in the block that comes next: of few queries, which memory keeps waiting.
LINNET_INLINE void prefetch_tile(const void* at, int64_t stride, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) __builtin_prefetch(static_cast<const std::byte*>(at) + r * stride);
}

// Scores of 32 keys. kDims: dimensions that a product sums.
template <int kDims, bool kLower>
LINNET_INLINE void score_keys(const TileQueries& q, const std::byte* keys, const std::byte* next, float* scores) {
  const int64_t row_bytes = q.dim * 2;
  const auto* upper = reinterpret_cast<const std::byte*>(q.pairs);
  const std::byte* lower = upper + kTileHeight * row_bytes;
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (kLower) {
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int64_t d = 0; d < q.dim; d += kDims) {
    const int64_t at = d / 2 * kKeyRowBytes;
    tile_load<6>(keys + at, kKeyRowBytes);
    tile_load<4>(upper + d * 2, row_bytes);
    if constexpr (!kLower) prefetch_tile(next + at, kKeyRowBytes, kDims / 2);
    tile_add_product<0, 4, 6>();
    tile_load<7>(keys + at + kTileRowBytes, kKeyRowBytes);
    if constexpr (!kLower) prefetch_tile(next + at + kTileRowBytes, kKeyRowBytes, kDims / 2);
    tile_add_product<1, 4, 7>();
    if constexpr (kLower) {
      tile_load<5>(lower + d * 2, row_bytes);
      tile_add_product<2, 5, 6>();
      tile_add_product<3, 5, 7>();
    }
  }
  constexpr int64_t kStride = kSoftKeys * 4;
  tile_store<0>(scores, kStride);
  tile_store<1>(scores + kTileHeight, kStride);
  if constexpr (kLower) {
    tile_store<2>(scores + kTileHeight * kSoftKeys, kStride);
    tile_store<3>(scores + kTileHeight * kSoftKeys + kTileHeight, kStride);
  }
}

template <int kDims, bool kLower>
void score_blocks(const TileQueries& q, const TileBlocks& blocks) {
  const int64_t lower = kLower ? q.lower() : kTileHeight;
  const Tiles tiles({q.upper(), q.upper(), lower, lower, q.upper(), lower, kDims / 2, kDims / 2}, kDims * 2);
  for (int64_t b = 0; b < blocks.count; ++b) {
    for (int64_t key = 0; key < kAttentionBlock; key += kTileKeys) {
      score_keys<kDims, kLower>(q, reinterpret_cast<const std::byte*>(blocks.keys[b] + key),
                                reinterpret_cast<const std::byte*>(blocks.next_keys[b] + key),
                                q.scores + b * kAttentionBlock + key);
    }
  }
}

// From scores to weights, and what came before rescaled to a new highest score.
template <int kBlocks>
void soften_row(const TileQueries& q, int64_t row, const AttentionCall& call) {
  constexpr int kVecs = kBlocks * kAttentionBlock / kLanes;
  Query& query = q.queries[row];
  float* scores = q.scores + row * kSoftKeys;
  F32 score[kVecs];
  F32 highest = set1(query.highest);
  const F32 scale = set1(call.scale);
  const bool all = query.begin == 0 && query.end == kBlocks * kAttentionBlock;
  for (int v = 0; v < kVecs; ++v) {
    score[v] = mul(load(scores + kLanes * v), scale);
    if (query.bias) score[v] = add(score[v], load(query.bias + kLanes * v));
    if (call.softcap > 0) score[v] = capped(score[v], call.softcap);
    if (!all) score[v] = masked(score[v], kLanes * v, query.begin, query.end);
    highest = max(score[v], highest);
  }
  if (any_above(highest, set1(query.highest))) raise_highest(query, q.dim, reduce_max(highest));
  auto* weights = reinterpret_cast<uint16_t*>(scores);
  F32 sums = load(query.sums);
  for (int v = 0; v < kVecs; ++v) {
    F32 weight = exp_below(score[v], query.highest);
    if (!all) weight = select_less(score[v], set1(-__FLT_MAX__), zero(), weight);
    sums = add(sums, weight);
    store_bf16(weights + kLanes * v, weight);
  }
  store(query.sums, sums);
}

void soften_rows(const TileQueries& q, int64_t blocks, const AttentionCall& call) {
  for (int64_t r = 0; r < q.count; ++r) {
    if (q.queries[r].begin >= q.queries[r].end) {
      std::memset(q.scores + r * kSoftKeys, 0, kSoftKeys * 2);
      continue;
    }
    switch (blocks) {
      case 1:
        soften_row<1>(q, r, call);
        break;
      case 2:
        soften_row<2>(q, r, call);
        break;
      case 3:
        soften_row<3>(q, r, call);
        break;
      default:
        soften_row<4>(q, r, call);
    }
  }
}

// out += weights · values for the 32 dimensions from `column` on, or for 16. first: the first query.
template <bool kLower, bool kRight>
LINNET_INLINE void add_tile_columns(const TileQueries& q, const TileBlocks& blocks, int64_t first, int64_t column) {
  const int64_t out_bytes = q.out_stride * 4;
  constexpr int64_t kWeightBytes = kSoftKeys * 4;
  float* upper = q.out + first * q.out_stride + column;
  float* lower = upper + kTileHeight * q.out_stride;
  tile_load<0>(upper, out_bytes);
  if constexpr (kRight) tile_load<1>(upper + kTileHeight, out_bytes);
  if constexpr (kLower) tile_load<2>(lower, out_bytes);
  if constexpr (kLower && kRight) tile_load<3>(lower + kTileHeight, out_bytes);
  const int64_t value_bytes = q.dim * 4;
  for (int64_t b = 0; b < blocks.count; ++b) {
    if (!blocks.values[b]) continue;
    for (int64_t key = 0; key < kAttentionBlock; key += kTileKeys) {
      const int64_t at = key / 2 * q.dim + column;
      const uint32_t* value = blocks.values[b] + at;
      const auto* weights = reinterpret_cast<const uint16_t*>(q.scores + first * kSoftKeys) + b * kAttentionBlock + key;
      tile_load<4>(weights, kWeightBytes);
      tile_load<6>(value, value_bytes);
      if constexpr (!kLower) prefetch_tile(blocks.next_values[b] + at, value_bytes, kTileHeight);
      tile_add_product<0, 4, 6>();
      if constexpr (kRight) {
        tile_load<7>(value + kTileHeight, value_bytes);
        if constexpr (!kLower) prefetch_tile(blocks.next_values[b] + at + kTileHeight, value_bytes, kTileHeight);
        tile_add_product<1, 4, 7>();
      }
      if constexpr (kLower) {
        tile_load<5>(weights + kTileHeight * kWeightBytes / 2, kWeightBytes);
        tile_add_product<2, 5, 6>();
        if constexpr (kRight) tile_add_product<3, 5, 7>();
      }
    }
  }
  tile_store<0>(upper, out_bytes);
  if constexpr (kRight) tile_store<1>(upper + kTileHeight, out_bytes);
  if constexpr (kLower) tile_store<2>(lower, out_bytes);
  if constexpr (kLower && kRight) tile_store<3>(lower + kTileHeight, out_bytes);
}

// For `upper` queries from `first` on, and `lower` after sixteen of those.
template <bool kLower>
void add_block_values(const TileQueries& q, const TileBlocks& blocks, int64_t first, int64_t upper, int64_t lower) {
  const int64_t second = kLower ? lower : kTileHeight;
  const Tiles tiles({upper, upper, second, second, upper, second, kTileHeight, kTileHeight}, kTileRowBytes);
  int64_t column = 0;
  for (; column + kTileKeys <= q.dim; column += kTileKeys) add_tile_columns<kLower, true>(q, blocks, first, column);
  if (column < q.dim) add_tile_columns<kLower, false>(q, blocks, first, column);
}

bool all_finite(const uint32_t* values, int64_t count) {
  bool finite = true;
  for (int64_t i = 0; i < count; i += kLanes) finite &= finite_pairs(load_pairs(values + i));
  return finite;
}

// `values` with zeros for the keys that a query does not see: those outside [begin, end).
const uint32_t* clean_values(const uint32_t* values, int64_t dim, int64_t begin, int64_t end, uint32_t* out) {
  for (int64_t pair = 0; pair < kAttentionBlock / 2; ++pair) {
    uint32_t keep = 0;
    if (2 * pair >= begin && 2 * pair < end) keep |= 0x0000FFFF;
    if (2 * pair + 1 >= begin && 2 * pair + 1 < end) keep |= 0xFFFF0000;
    for (int64_t d = 0; d < dim; d += kLanes) {
      store_pairs(out + pair * dim + d, and_pairs(load_pairs(values + pair * dim + d), keep));
    }
  }
  return out;
}

// Queries one by one, where a value that some of them do not see is not finite.
void add_seen_values(const TileQueries& q, const TileBlocks& blocks) {
  for (int64_t r = 0; r < q.count; ++r) {
    TileBlocks seen = blocks;
    auto* cleaned = reinterpret_cast<uint32_t*>(q.cleaned);
    for (int64_t b = 0; b < blocks.count; ++b) {
      const int64_t start = b * kAttentionBlock;
      const int64_t begin = q.queries[r].begin - start;
      const int64_t end = q.queries[r].end - start;
      if (begin >= kAttentionBlock || end <= 0 || begin >= end) {
        seen.values[b] = nullptr;
      } else if (begin > 0 || end < kAttentionBlock) {  // at most two
        seen.values[b] = clean_values(blocks.values[b], q.dim, begin, end, cleaned);
        cleaned += kAttentionBlock / 2 * q.dim;
      }
    }
    add_block_values<false>(q, seen, r, 1, 0);
  }
}

// Whether no query's weight of zero can meet a value that is not finite.
bool values_are_harmless(const TileQueries& q, const TileBlocks& blocks) {
  int64_t begin = 0;  // keys that all see
  int64_t end = blocks.count * kAttentionBlock;
  for (int64_t r = 0; r < q.count; ++r) {
    begin = q.queries[r].begin > begin ? q.queries[r].begin : begin;
    end = q.queries[r].end < end ? q.queries[r].end : end;
  }
  for (int64_t b = 0; b < blocks.count; ++b) {
    const int64_t start = b * kAttentionBlock;
    const bool all_see = begin <= start && end >= start + kAttentionBlock;
    if (!all_see && !all_finite(blocks.values[b], kAttentionBlock / 2 * q.dim)) return false;
  }
  return true;
}

void attend_soft_keys(const TileQueries& q, const TileBlocks& blocks, const AttentionCall& call) {
  constexpr int kWhole = 32;
  constexpr int kHalf = 16;
  const bool lower = q.lower() > 0;
  if (q.dim % kWhole == 0) {
    lower ? score_blocks<kWhole, true>(q, blocks) : score_blocks<kWhole, false>(q, blocks);
  } else {
    lower ? score_blocks<kHalf, true>(q, blocks) : score_blocks<kHalf, false>(q, blocks);
  }
  soften_rows(q, blocks.count, call);
  if (!values_are_harmless(q, blocks)) {
    add_seen_values(q, blocks);
  } else if (lower) {
    add_block_values<true>(q, blocks, 0, q.upper(), q.lower());
  } else {
    add_block_values<false>(q, blocks, 0, q.upper(), 0);
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
#endif
