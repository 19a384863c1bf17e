// The same for pairs of bfloat16 by tiles (AMX), for keys and values as attention_pairs_inl.hpp has them.
//
// The arithmetic of one row and head: scores are sums over 32 dimensions at a time (16 where 32 do not divide them), in
// order, each as tile_add_product says; kSoftKeys keys share one highest score, whose raising rescales what came
// before; weights are rounded to bfloat16 and multiplied with the values of 32 keys at a time, in order. Keys that a
// row does not see have the weight zero, which leaves the bits of a sum alone, so long as their values are finite.
//
// Keys and values of kSoftKeys keys stay in the first cache while queries pass by, sixteen at a time.
#pragma once

#include "kernels/cpu/attention_query_inl.hpp"
#include "kernels/cpu/unroll_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kSoftKeys = 128;  // divides kAttentionPart
#ifdef LINNET_KERNEL_TILES
constexpr int64_t kTileQueries = kTileHeight;
#else
constexpr int64_t kTileQueries = 0;
#endif

// Of memory for the scores, the weights, and two blocks of values.
int64_t tile_scratch_floats(int64_t padded) {
  return kTileQueries > 0 ? kTileQueries * kSoftKeys * 3 / 2 + kAttentionBlock * padded : 0;
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA

#ifdef LINNET_KERNEL_TILES
namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kSoftBlocks = kSoftKeys / kAttentionBlock;
constexpr int64_t kKeyRowBytes = kAttentionBlock * 4;  // of one pair of dimensions
constexpr int64_t kTileKeys = 32;                      // that one product of weights and values sums
constexpr int64_t kScoreTile = kTileHeight * kLanes;   // numbers
constexpr int64_t kWeightTile = kTileHeight * kTileKeys;
constexpr int kSumTiles = 4;  // tiles 0 to 3

// Up to kTileQueries rows and heads.
struct TileQueries {
  Tiles* tiles;
  Query* queries;
  int64_t count;
  int64_t dim;
  const uint32_t* pairs;  // (count, dim / 2)
  float* scores;          // (kSoftKeys / 16, 16 queries, 16 keys): tile by tile, as are
  uint16_t* weights;      // (kSoftKeys / 32, 16 queries, 32 keys), bfloat16
  float* out;             // (count, out_stride)
  int64_t out_stride;
  uint32_t* cleaned;  // two blocks of values
  bool fetch;         // the blocks that come next: no other queries will wait for them

  // Where those of a query begin; they go on a tile later.
  float* scores_of(int64_t query) const { return scores + query * kLanes; }
  uint16_t* weights_of(int64_t query) const { return weights + query * kTileKeys; }
};

// Up to kSoftKeys keys of one head. Which of them a query sees are its begin and end, counted from the first.
struct TileBlocks {
  const uint32_t* keys[kSoftBlocks];
  const uint32_t* values[kSoftBlocks];  // null: of no weight
  const uint32_t* next_keys[kSoftBlocks];
  const uint32_t* next_values[kSoftBlocks];
  int64_t count;
};

// Fetches a tile's place in the block that comes next.
LINNET_INLINE void prefetch_tile(const void* at, int64_t stride, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) __builtin_prefetch(static_cast<const std::byte*>(at) + r * stride);
}

// Adds to kSum the product of tile 4 with the one that lies there, by tile 6 or 7.
template <int kSum>
LINNET_INLINE void add_product_with(const void* right, int64_t stride) {
  constexpr int kRight = 6 + kSum % 2;
  tile_load<kRight>(right, stride);
  tile_add_product<kSum, 4, kRight>();
}

// Scores of a block of keys. kDims: dimensions that a product sums.
template <int kDims, bool kFetch>
LINNET_INLINE void score_block(const TileQueries& q, const uint32_t* keys, const uint32_t* next, float* scores) {
  unroll<0, kSumTiles>([&]<int kSum>() __attribute__((always_inline)) { tile_zero<kSum>(); });
  for (int64_t d = 0; d < q.dim; d += kDims) {
    const int64_t at = d / 2 * kAttentionBlock;
    tile_load<4>(reinterpret_cast<const std::byte*>(q.pairs) + d * 2, q.dim * 2);
    unroll<0, kSumTiles>([&]<int kSum>() __attribute__((always_inline)) {
      add_product_with<kSum>(keys + at + kSum * kLanes, kKeyRowBytes);
      if constexpr (kFetch) prefetch_tile(next + at + kSum * kLanes, kKeyRowBytes, kDims / 2);
    });
  }
  unroll<0, kSumTiles>([&]<int kSum>() __attribute__((always_inline)) {
    tile_store<kSum>(scores + kSum * kScoreTile, kTileRowBytes);
  });
}

template <int kDims>
void score_blocks(const TileQueries& q, const TileBlocks& blocks) {
  q.tiles->shape({.left_rows = q.count, .left_bytes = int64_t{kDims} * 2, .right_rows = kDims / 2});
  for (int64_t b = 0; b < blocks.count; ++b) {
    float* scores = q.scores + b * kAttentionBlock * kTileHeight;
    if (q.fetch) {
      score_block<kDims, true>(q, blocks.keys[b], blocks.next_keys[b], scores);
    } else {
      score_block<kDims, false>(q, blocks.keys[b], blocks.next_keys[b], scores);
    }
  }
}

// What is done to scores: kScaled, nothing but to scale them; kMasked, and not all keys are seen; kAny: whatever the
// call asks for, of any keys.
enum class Softening : uint8_t { kScaled, kMasked, kAny };

Softening softening_of(const Query& query, int64_t keys, const AttentionCall& call) {
  if (query.bias || call.softcap > 0 || !(call.scale > 0)) return Softening::kAny;
  return query.begin == 0 && query.end == keys ? Softening::kScaled : Softening::kMasked;
}

// e^(scale * x - highest) to 3 parts in a million, which bfloat16 then rounds to eight bits. 0 for -infinity; NaN
// passes through.
LINNET_INLINE F32 weight_of(F32 x, float scale, float highest) {
  constexpr float kLog2E = 1.44269504088896341f;
  const F32 t = fmadd(x, set1(scale * kLog2E), set1(-highest * kLog2E));
  const F32 f = fraction(t);
  F32 p = set1(1.353416792e-2f);  // 2^f, 0 <= f < 1, of the least relative error
  p = fmadd(p, f, set1(5.201146061e-2f));
  p = fmadd(p, f, set1(2.414427569e-1f));
  p = fmadd(p, f, set1(6.930038345e-1f));
  p = fmadd(p, f, set1(1.000002593f));
  return scale_by_power(p, t);
}

// Four chains, since one would keep a row waiting.
template <int kVecs, class Op>
LINNET_INLINE F32 reduce(const F32 (&a)[kVecs], const Op& op) {
  F32 chains[4] = {a[0], a[1], a[2], a[3]};
  unroll<4, kVecs>([&]<int kVec>()
                       __attribute__((always_inline)) { chains[kVec % 4] = op(chains[kVec % 4], a[kVec]); });
  return op(op(chains[0], chains[1]), op(chains[2], chains[3]));
}

// Finds the highest score of a row, and rescales what came before where it is far above. Scores are left as weigh_row()
// wants them: -infinity where a key is not seen.
template <int kVecs, Softening kHow>
void raise_row(const TileQueries& q, int64_t row, const AttentionCall& call) {
  Query& query = q.queries[row];
  float* scores = q.scores_of(row);
  F32 score[kVecs];
  unroll<0, kVecs>([&]<int kVec>() __attribute__((always_inline)) {
    F32& one = score[kVec];
    one = load(scores + kVec * kScoreTile);
    if constexpr (kHow == Softening::kAny) {
      one = mul(one, set1(call.scale));
      if (query.bias) one = add(one, load(query.bias + kLanes * kVec));
      if (call.softcap > 0) one = capped(one, call.softcap);
    }
    if constexpr (kHow != Softening::kScaled) {
      one = masked(one, kLanes * kVec, query.begin, query.end);
      store(scores + kVec * kScoreTile, one);
    }
  });
  const F32 highest = reduce(
      score, [](F32 a, F32 b) __attribute__((always_inline)) { return max(a, b); });
  const float most = reduce_max(highest) * (kHow == Softening::kAny ? 1.0f : call.scale);
  if (most > query.highest + kHeadroom) raise_highest(query, q.dim, most);
}

template <int kVecs>
void weigh_row(const TileQueries& q, int64_t row, float scale) {
  Query& query = q.queries[row];
  const float* scores = q.scores_of(row);
  const float base = query.highest;
  uint16_t* weights = q.weights_of(row);
  F32 weight[kVecs];
  unroll<0, kVecs / 2>([&]<int kPair>() __attribute__((always_inline)) {
    for (int i = 2 * kPair; i < 2 * kPair + 2; ++i) weight[i] = weight_of(load(scores + i * kScoreTile), scale, base);
    store_pairs(weights + kPair * kWeightTile, neighbours(weight[2 * kPair], weight[2 * kPair + 1]));
  });
  const F32 sum = reduce(
      weight, [](F32 a, F32 b) __attribute__((always_inline)) { return add(a, b); });
  store(query.sums, add(load(query.sums), sum));
}

// From scores to weights. Rows are taken twice, so that none waits for its own highest score.
template <int kBlocks>
void soften_rows(const TileQueries& q, const AttentionCall& call) {
  constexpr int kVecs = kBlocks * kAttentionBlock / kLanes;
  const auto how = [&](int64_t r) { return softening_of(q.queries[r], kBlocks * kAttentionBlock, call); };
  const auto sees = [&](int64_t r) { return q.queries[r].begin < q.queries[r].end; };
  for (int64_t r = 0; r < q.count; ++r) {
    if (!sees(r)) continue;
    switch (how(r)) {
      case Softening::kScaled:
        raise_row<kVecs, Softening::kScaled>(q, r, call);
        break;
      case Softening::kMasked:
        raise_row<kVecs, Softening::kMasked>(q, r, call);
        break;
      case Softening::kAny:
        raise_row<kVecs, Softening::kAny>(q, r, call);
    }
  }
  for (int64_t r = 0; r < q.count; ++r) {
    if (sees(r)) {
      weigh_row<kVecs>(q, r, how(r) == Softening::kAny ? 1.0f : call.scale);
      continue;
    }
    for (int64_t t = 0; t < kVecs / 2; ++t) {
      std::memset(q.weights_of(r) + t * kWeightTile, 0, kTileKeys * sizeof(uint16_t));
    }
  }
}

// out += weights · values for kSums times sixteen dimensions from `column` on. first: the first query.
template <int kSums, bool kFetch>
LINNET_INLINE void add_tile_columns(const TileQueries& q, const TileBlocks& blocks, int64_t first, int64_t column) {
  const int64_t out_bytes = q.out_stride * 4;
  const int64_t value_bytes = q.dim * 4;
  float* out = q.out + first * q.out_stride + column;
  unroll<0, kSums>([&]<int kSum>() __attribute__((always_inline)) { tile_load<kSum>(out + kSum * kLanes, out_bytes); });
  for (int64_t b = 0; b < blocks.count; ++b) {
    if (!blocks.values[b]) continue;
    for (int64_t key = 0; key < kAttentionBlock; key += kTileKeys) {
      const int64_t at = key / 2 * q.dim + column;
      tile_load<4>(q.weights_of(first) + (b * kAttentionBlock + key) * kTileHeight, kTileRowBytes);
      unroll<0, kSums>([&]<int kSum>() __attribute__((always_inline)) {
        add_product_with<kSum>(blocks.values[b] + at + kSum * kLanes, value_bytes);
        if constexpr (kFetch) prefetch_tile(blocks.next_values[b] + at + kSum * kLanes, value_bytes, kTileHeight);
      });
    }
  }
  unroll<0, kSums>([&]<int kSum>()
                       __attribute__((always_inline)) { tile_store<kSum>(out + kSum * kLanes, out_bytes); });
}

// For `count` queries from `first` on.
template <bool kFetch>
void add_block_values(const TileQueries& q, const TileBlocks& blocks, int64_t first, int64_t count) {
  q.tiles->shape({.left_rows = count});
  int64_t column = 0;
  for (; column + kSumTiles * kLanes <= q.dim; column += kSumTiles * kLanes) {
    add_tile_columns<kSumTiles, kFetch>(q, blocks, first, column);
  }
  for (; column < q.dim; column += kLanes) add_tile_columns<1, kFetch>(q, blocks, first, column);
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
    uint32_t* cleaned = q.cleaned;
    for (int64_t b = 0; b < blocks.count; ++b) {
      const int64_t start = b * kAttentionBlock;
      const int64_t begin = q.queries[r].begin - start;
      const int64_t end = q.queries[r].end - start;
      if (begin >= kAttentionBlock || end <= 0 || begin >= end) {
        seen.values[b] = nullptr;
      } else if (begin > 0 || end < kAttentionBlock) {
        seen.values[b] = clean_values(blocks.values[b], q.dim, begin, end, cleaned);
        cleaned += kAttentionBlock / 2 * q.dim;
      }
    }
    add_block_values<false>(q, seen, r, 1);
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
  q.dim % kWhole == 0 ? score_blocks<kWhole>(q, blocks) : score_blocks<kHalf>(q, blocks);
  static_assert(kSoftBlocks == 2);
  blocks.count == 1 ? soften_rows<1>(q, call) : soften_rows<2>(q, call);
  if (!values_are_harmless(q, blocks)) {
    add_seen_values(q, blocks);
  } else if (q.fetch) {
    add_block_values<true>(q, blocks, 0, q.count);
  } else {
    add_block_values<false>(q, blocks, 0, q.count);
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
#endif
