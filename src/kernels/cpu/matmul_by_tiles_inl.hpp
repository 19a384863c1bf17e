// Products of float matrices by tiles of bfloat16 (AMX). Panels of a and b are (k / 32, 2) tiles: of a, 16 rows of 32
// numbers; of b, 16 pairs of numbers of 16 columns.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/keep_pairs_inl.hpp"
#include "kernels/cpu/load_pairs_inl.hpp"
#include "kernels/cpu/prefetch_inl.hpp"
#include "kernels/cpu/tile_step_inl.hpp"
#include "kernels/cpu/turn_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kTileDepth = 32;     // of k
constexpr int64_t kTilesAcross = 2;    // of a panel
constexpr int kTileMatmulDepth = 640;  // a panel of a stays in the first cache, those of b pass by
constexpr int64_t kRowsAhead = 16;     // that are fetched while others are packed
constexpr int kTileSide = kTilesAcross * kTileHeight;

// A tile of pairs of rows k, k + 1 and columns j, from (k, j) on: lines[p] has pair p of each of sixteen columns.
// Rows of from hold neighbouring j.
LINNET_INLINE void pairs_by_k(const float* from, int64_t k_stride, int64_t k, int64_t columns, Bf16s (&lines)[16]) {
  for (int64_t p = 0; p < 16; ++p) {
    const float* low = from + 2 * p * k_stride;
    const F32 a = 2 * p < k ? load_first(low, columns) : zero();
    const F32 b = 2 * p + 1 < k ? load_first(low + k_stride, columns) : zero();
    lines[p] = interleaved(a, b);
  }
}

// The same turned: lines[j] has the sixteen pairs of column j. Rows of from hold neighbouring k.
LINNET_INLINE void pairs_by_column(const float* from, int64_t j_stride, int64_t k, int64_t columns,
                                   Bf16s (&lines)[16]) {
  for (int64_t j = 0; j < 16; ++j) lines[j] = j < columns ? pairs_from(from + j * j_stride, k) : zero_pairs();
}

LINNET_INLINE void store_tile(const Bf16s (&lines)[16], std::byte* tile) {
  for (int64_t p = 0; p < 16; ++p) store_pairs(tile + p * kTileRowBytes, lines[p]);
}

// Of columns [c, c + 16) of `count`.
LINNET_INLINE int64_t columns_from(int64_t c, int64_t count) {
  const int64_t left = c < count ? count - c : 0;
  return left < kTileHeight ? left : kTileHeight;
}

// Rows of from hold neighbouring j, and lie far apart: all panels of 32 rows are made together, and what is below them
// is fetched meanwhile.
void pack_tiles_of_rows(const float* from, int64_t k_stride, int64_t k, int64_t count, int64_t width,
                        int64_t panel_bytes, std::byte* out) {
  for (int64_t i = 0; i < k; i += kTileDepth, out += kTilesAcross * kTileBytes) {
    const int64_t below = k - i - kTileDepth;
    std::byte* panel = out;
    for (int64_t j = 0; j < count; j += width, panel += panel_bytes) {
      for (int64_t c = j; c < j + width; c += kTileHeight) {
        const float* at = from + i * k_stride + c;
        const int64_t columns = columns_from(c, count);
        for (int64_t row = 0; columns > 0 && row < kTileDepth && row < below; ++row) {
          fetch_to_second(reinterpret_cast<const std::byte*>(at + (kTileDepth + row) * k_stride), 1);
        }
        Bf16s lines[16];
        pairs_by_k(at, k_stride, k - i, columns, lines);
        transpose(lines);
        store_tile(lines, panel + (c - j) / kTileHeight * kTileBytes);
      }
    }
  }
}

// `count` columns of two rows, of which the first `in_upper` and `in_lower` are read and the others zero, as lines of
// the tiles of a panel each.
LINNET_INLINE void pack_row_pair(const float* upper, const float* lower, int64_t in_upper, int64_t in_lower,
                                 int64_t count, int64_t panel_bytes, std::byte* line) {
  for (int64_t c = 0; c < count; c += kTileSide, line += panel_bytes) {
    for (int64_t tile = 0; tile < kTilesAcross; ++tile) {
      const int64_t at = c + tile * kTileHeight;
      store_pairs(line + tile * kTileBytes, interleaved(load_first(upper + at, columns_from(at, in_upper)),
                                                        load_first(lower + at, columns_from(at, in_lower))));
    }
  }
}

// Of b: two rows at a time, all columns of them, so that memory is read in long pieces.
void pack_pairs_of_rows(const float* from, int64_t k_stride, int64_t k, int64_t count, int64_t panel_bytes,
                        std::byte* out) {
  const int64_t padded = (k + kTileDepth - 1) / kTileDepth * kTileDepth;
  for (int64_t i = 0; i < padded; i += 2) {
    const float* row = from + i * k_stride;
    std::byte* line = out + i / kTileDepth * kTilesAcross * kTileBytes + i % kTileDepth / 2 * kTileRowBytes;
    if (i + kRowsAhead + 1 < k) {
      fetch_to_second(reinterpret_cast<const std::byte*>(row + kRowsAhead * k_stride), count / kLanes);
      fetch_to_second(reinterpret_cast<const std::byte*>(row + (kRowsAhead + 1) * k_stride), count / kLanes);
    }
    // Behind the last row lie zeros.
    pack_row_pair(row, row + k_stride, i < k ? count : 0, i + 1 < k ? count : 0, count, panel_bytes, line);
  }
}

// See MatmulKernels::pack. kLeft: for a, whose tiles have a column (a row of a) to a line; those of b have a pair.
template <bool kLeft>
void pack_tiles(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                int64_t panel_bytes, std::byte* out) {
  if (j_stride == 1) {
    return kLeft ? pack_tiles_of_rows(from, k_stride, k, count, width, panel_bytes, out)
                 : pack_pairs_of_rows(from, k_stride, k, count, panel_bytes, out);
  }
  for (int64_t j = 0; j < count; j += width, out += panel_bytes) {
    std::byte* tile = out;
    for (int64_t i = 0; i < k; i += kTileDepth) {
      for (int64_t c = j; c < j + width; c += kTileHeight, tile += kTileBytes) {
        Bf16s lines[16];
        pairs_by_column(from + i + c * j_stride, j_stride, k - i, columns_from(c, count), lines);
        if constexpr (!kLeft) transpose(lines);
        store_tile(lines, tile);
      }
    }
  }
}

// See MatmulKernels::place_in_b.
int64_t place_in_tiles(int64_t k, int64_t j) {
  constexpr int64_t kNumbers = kTileBytes / 2;
  const int64_t tile = k / kTileDepth * kTilesAcross + j / kTileHeight;
  return tile * kNumbers + k % kTileDepth / 2 * 2 * kTileHeight + j % kTileHeight * 2 + k % 2;
}

// Lines [first, last) of a c of two by two tiles, of which each row has two, for writing.
LINNET_INLINE void fetch_sums(float* c, int64_t c_stride, int64_t first, int64_t last) {
  for (int64_t line = first; line < last; ++line) fetch_to_write(c + line / 2 * c_stride + line % 2 * kLanes);
}

LINNET_INLINE int64_t tile_steps(const TileFactors& factors) {
  return (factors.k + kTileDepth - 1) / kTileDepth;
}

// See MatmulKernels::tile and tile_of_column; between enter_tiles() and leave_tiles(). kPasses: the factor that the
// next tiles do not share. Where that is the right one, c lies in memory: while one is summed, the next is fetched.
template <Passes kPasses>
void multiply_tiles(const TileFactors& factors, const TileFactors& plus, float* c, int64_t c_stride, bool add,
                    const TileAhead& ahead) {
  constexpr int64_t kLines = 2 * kTileSide;  // of c
  const int64_t c_bytes = c_stride * static_cast<int64_t>(sizeof(float));
  float* lower = c + kTileHeight * c_stride;
  if (add) {
    tile_load<0>(c, c_bytes);
    tile_load<1>(c + kLanes, c_bytes);
    tile_load<2>(lower, c_bytes);
    tile_load<3>(lower + kLanes, c_bytes);
  } else {
    zero_sums<2, 2>();
  }
  const int64_t steps = tile_steps(factors);
  const int64_t lines = (kLines + steps - 1) / steps;
  const int64_t b_lines = (ahead.b_lines + steps - 1) / steps;
  const std::byte* a = factors.a;
  const std::byte* b = factors.b;
  const std::byte* later = ahead.b;
  for (int64_t line = 0; line < steps * lines; line += lines) {
    if constexpr (kPasses == Passes::kRight) {
      fetch_sums(ahead.c, c_stride, line, line + lines < kLines ? line + lines : kLines);
    }
    for (int64_t place = 0; place < TileAhead::kPlaces; ++place) {
      fetch_to_second(later + place * ahead.b_stride, b_lines);
    }
    later += b_lines * kTileRowBytes;
    add_step<2, 2, kPasses>(a, a + kTileBytes, b);
    a += kTilesAcross * kTileBytes;
    b += kTilesAcross * kTileBytes;
  }
  for (int64_t at = 0; at < tile_steps(plus) * kTilesAcross * kTileBytes; at += kTilesAcross * kTileBytes) {
    add_step<2, 2>(plus.a + at, plus.a + at + kTileBytes, plus.b + at);
  }
  tile_store<0>(c, c_bytes);
  tile_store<1>(c + kLanes, c_bytes);
  tile_store<2>(lower, c_bytes);
  tile_store<3>(lower + kLanes, c_bytes);
}

void enter_tiles() {
  load_shape({.left_rows = kTileHeight});
}
void leave_tiles() {
  release_tiles();
}

// The loop of bf16_peak_inl.hpp.
int64_t multiply_bf16_tiles(int64_t rounds) {
  Tiles tiles;
  tiles.shape({.left_rows = kTileHeight});
  for (int64_t i = 0; i < rounds; ++i) {
    tile_add_product<0, 4, 6>();
    tile_add_product<1, 4, 7>();
    tile_add_product<2, 5, 6>();
    tile_add_product<3, 5, 7>();
  }
  return rounds * 4 * kTileHeight * kLanes * kTileDepth * 2;
}

}  // namespace

constexpr PairKernels kPairs{{.rows = kTileSide,
                              .cols = kTileSide,
                              .depth = kTileMatmulDepth,
                              .depth_unit = kTileDepth,
                              .number_bytes = sizeof(uint16_t),
                              .pack_a = pack_tiles<true>,
                              .pack_b = pack_tiles<false>,
                              .place_in_b = place_in_tiles,
                              .tile = multiply_tiles<Passes::kRight>,
                              .tile_of_column = multiply_tiles<Passes::kLeft>,
                              .turn = turn_tile,
                              .enter = enter_tiles,
                              .leave = leave_tiles},
                             keep_pairs,
                             multiply_bf16_tiles};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
