// Products with quantised matrices in tiles of bfloat16 (AMX).
//
// The arithmetic of one output: weights are decoded in half precision and rounded to bfloat16, activations are rounded
// to bfloat16, and their products are summed group by group, in order, as tile_add_product says. Both operands are kept
// away from the ends of their ranges by powers of two: weights by that of their panel, activations by 2^98. Decoding
// leaves weights at 2^-112 of their size; so with the usual exponent of a panel, kUsualExponent, sums are what they
// are.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/panel_inl.hpp"
#include "kernels/cpu/prefetch_inl.hpp"
#include "kernels/cpu/tile_step_inl.hpp"
#include "kernels/cpu/unroll_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr float kActivationUnit = 0x1p98f;
static_assert(kUsualExponent == 112 - 98);

// 2^exponent, for exponents of normal numbers.
LINNET_INLINE float power_of_two(int exponent) {
  const int32_t bits = (exponent + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return power;
}

// The groups of a panel, one after the other.
template <PanelFormat F>
class Groups {
 public:
  Groups(const std::byte* panel, int exponent) : unit_(set1(power_of_two(exponent))), at_(panel) {}

  // Writes the group's tile, (16, 16, 2): pairs of columns, of which a quad's first and third, and its second and
  // fourth, are one; the sixteen rows of the panel; both columns.
  LINNET_INLINE void next(std::byte* tile) {
    for (int64_t line = 0; line < F.group_bytes() + F.header_bytes(); line += kLine) {
      __builtin_prefetch(at_ + kBytesAhead + line);
    }
    if (left_ == 0) start_super();
    --left_;
    const PackedCodes<F> codes{at_ + F.sub_bytes()};
    const GroupScales<F.scales> scales = group_scales<F>(at_, d_, min_);
    Halves scale[F.scales];
    Halves min[F.scales];  // where there is one
    for (int i = 0; i < F.scales; ++i) {
      scale[i] = twice(mul(scales.scale[i], unit_));
      if constexpr (F.has_min) min[i] = twice(mul(scales.min[i], unit_));
    }
    unroll<0, kQuads>([&]<int kQuad>() __attribute__((always_inline)) {
      constexpr int kPart = kQuad * F.scales / kQuads;
      std::byte* row = tile + int64_t{2} * kQuad * kTileRowBytes;
      store_pairs(row, weights<kQuad, false>(codes, scale[kPart], min[kPart]));
      store_pairs(row + kTileRowBytes, weights<kQuad, true>(codes, scale[kPart], min[kPart]));
    });
    at_ += F.group_bytes();
  }

 private:
  static constexpr int64_t kBytesAhead = 4096;
  static constexpr bool kLooksUp = F.low_bits == 4 && F.high_bits == 0;

  LINNET_INLINE void start_super() {
    if constexpr (F.header_bytes() > 0) d_ = load_f16(at_);
    if constexpr (F.has_min) min_ = load_f16(at_ + kHalfRow);
    at_ += F.header_bytes();
    left_ = F.groups_in_super();
  }

  // The values of all sixteen codes, twice.
  static LINNET_INLINE Halves values() {
    alignas(64) static constexpr auto kValues = [] {
      struct Table {
        _Float16 numbers[32];
      } table{};
      for (int i = 0; i < 32; ++i) {
        const int code = i % 16;
        const int value = F.table == CodeTable::kIq4    ? kIq4Table[code]
                          : F.table == CodeTable::kE2M1 ? kE2M1Table[code]
                                                        : code;
        table.numbers[i] = static_cast<_Float16>(value - F.offset);
      }
      return table;
    }();
    return load_halves(&kValues);
  }

  template <int kQuad, bool kSecond>
  static LINNET_INLINE Bf16s weights(const PackedCodes<F>& codes, Halves scale, Halves min) {
    Halves weight;
    if constexpr (kLooksUp) {
      constexpr int kBy = kQuad / 4 * 4 + (kSecond ? 8 : 0);
      weight = look_up<kBy>(values(), load_line(codes.at + kLine * (kQuad % 4)));
    } else {
      weight = bytes_to_halves<kSecond>(codes.template quad<kQuad>(), F.offset);
    }
    if constexpr (F.has_min) {
      weight = fmadd(weight, scale, min);
    } else {
      weight = mul(weight, scale);
    }
    return shrink(weight);
  }

  F32 unit_;
  F32 d_ = zero();
  F32 min_ = zero();
  const std::byte* at_;
  int left_ = 0;
};

// No weight of the panel is larger.
template <PanelFormat F>
float largest_weight(const std::byte* panel, int64_t groups) {
  constexpr float kMostSteps = 1 << F.value_bits();
  const I32 no_sign = set1(int32_t{0x7FFFFFFF});
  const auto magnitude = [&](F32 a) { return bits_to_f32(bit_and(f32_to_bits(a), no_sign)); };
  F32 most = zero();
  PackedPanels<F, 1>{panel, groups}.for_each_group([&](const auto& /*codes*/,
                                                       const auto& scales) __attribute__((always_inline)) {
    for (int i = 0; i < F.scales; ++i) {
      F32 bound = mul(magnitude(scales[0].scale[i]), set1(kMostSteps));
      if constexpr (F.has_min) bound = add(bound, magnitude(scales[0].min[i]));
      most = max(bound, most);
    }
  });
  return reduce_max(most);
}

template <PanelFormat F>
void spread_tiles(const std::byte* panel, int64_t groups, int exponent, std::byte* tiles, int64_t tile_stride) {
  Groups<F> from(panel, exponent);
  for (int64_t g = 0; g < groups; ++g) from.next(tiles + g * tile_stride);
}

// What the sums of each panel must be multiplied by.
struct Units {
  F32 of[kPanelsAcross];
  bool one;  // by nothing
};
template <int kPanels>
LINNET_INLINE Units units_of(const int8_t* exponents) {
  Units units{{zero(), zero()}, true};
  for (int p = 0; p < kPanels; ++p) {
    units.of[p] = set1(power_of_two(kUsualExponent - exponents[p]));
    units.one &= exponents[p] == kUsualExponent;
  }
  return units;
}

// Writes the sums of one tile of rows, tile kFirst and what follows for each panel.
template <int kFirst, int kPanels>
LINNET_INLINE void store_sums(int64_t rows, const Units& units, float* out, int64_t out_stride) {
  const int64_t out_bytes = out_stride * static_cast<int64_t>(sizeof(float));
  tile_store<kFirst>(out, out_bytes);
  if constexpr (kPanels > 1) tile_store<kFirst + 1>(out + kPanelRows, out_bytes);
  if (units.one) return;
  for (int64_t r = 0; r < rows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      float* at = out + r * out_stride + p * kPanelRows;
      store(at, mul(load(at), units.of[p]));
    }
  }
}

// Rows of activations from `first` on as tile_rows() packs them: whole tiles of sixteen rows, then the rest.
LINNET_INLINE const std::byte* rows_at(const std::byte* x, int64_t first, int64_t groups) {
  return x + first * groups * kTileRowBytes;
}

// Up to 32 rows: each group's tile is multiplied soon after it was decoded, from the first cache. Panels come one after
// the other, as memory is read fastest.
template <PanelFormat F, int kDown>
LINNET_INLINE void few_rows(const std::byte* panels, int64_t count, int64_t groups, const int8_t* exponents,
                            const std::byte* x, int64_t n, float* out, int64_t out_stride) {
  // A tile is loaded some groups after it was stored, or the load would wait for the store.
  constexpr int64_t kBehind = 2;
  constexpr int64_t kKept = 4;
  alignas(64) std::byte kept[kKept][kTileBytes];
  const int64_t panel_bytes = groups / F.groups_in_super() * F.super_bytes();
  const int64_t upper_rows = n < kTileHeight ? n : kTileHeight;
  const int64_t lower_rows = kDown > 1 ? n - kTileHeight : kTileHeight;
  const std::byte* lower = rows_at(x, upper_rows, groups);
  Tiles tiles;
  tiles.shape({.left_rows = upper_rows, .lower_rows = lower_rows});
  for (int64_t p = 0; p < count; ++p, panels += panel_bytes, out += kPanelRows) {
    Groups<F> from(panels, exponents[p]);
    zero_sums<kDown, 1>();
    for (int64_t g = 0; g < groups + kBehind; ++g) {
      if (g < groups) from.next(kept[g % kKept]);
      if (const int64_t b = g - kBehind; b >= 0) {
        add_step<kDown, 1>(x + b * upper_rows * kTileRowBytes, lower + b * lower_rows * kTileRowBytes, kept[b % kKept]);
      }
    }
    const Units units = units_of<1>(exponents + p);
    store_sums<0, 1>(upper_rows, units, out, out_stride);
    if constexpr (kDown > 1) store_sums<2, 1>(lower_rows, units, out + kTileHeight * out_stride, out_stride);
  }
}

template <PanelFormat F>
void few_rows_of(const std::byte* panels, int64_t count, int64_t groups, const int8_t* exponents, const std::byte* x,
                 int64_t n, float* out, int64_t out_stride) {
  if (n <= kTileHeight) {
    few_rows<F, 1>(panels, count, groups, exponents, x, n, out, out_stride);
  } else {
    few_rows<F, 2>(panels, count, groups, exponents, x, n, out, out_stride);
  }
}

// What a call of many_rows shares among all rows.
template <int kPanels>
struct ManyRows {
  const std::byte* weights;  // (groups of the piece, kPanels) tiles
  DepthPiece piece;
  Units units;
  const std::byte* x;
  std::byte* sums;
  float* out;
  int64_t out_stride;

  // Rows [first, first + rows), and as many below where kDown is 2.
  template <int kDown>
  LINNET_INLINE void multiply(int64_t first, int64_t rows) const {
    const std::byte* upper = rows_at(x, first, piece.groups);
    const std::byte* lower = rows_at(upper, rows, piece.groups);
    std::byte* kept = sums + first / kTileHeight * kPanels * kTileBytes;
    float* to = out + first * out_stride;
    if (piece.begin == 0) {
      zero_sums<kDown, kPanels>();
    } else {
      load_sums<kDown, kPanels>(kept);
    }
    const bool last = piece.end == piece.groups;
    for (int64_t g = piece.begin; g < piece.end; ++g) {
      if (last) fetch_row<kDown>(to, (g - piece.begin) % kTileHeight);
      add_step<kDown, kPanels, Passes::kLeft>(upper + g * rows * kTileRowBytes, lower + g * rows * kTileRowBytes,
                                              weights + (g - piece.begin) * kPanels * kTileBytes);
    }
    if (!last) {
      keep_sums<kDown, kPanels>(kept);
      return;
    }
    store_sums<0, kPanels>(rows, units, to, out_stride);
    if constexpr (kDown > 1) store_sums<2, kPanels>(rows, units, to + kTileHeight * out_stride, out_stride);
  }

 private:
  // Outputs lie far apart, where no processor foresees the next.
  template <int kDown>
  LINNET_INLINE void fetch_row(float* to, int64_t row) const {
    for (int d = 0; d < kDown; ++d) {
      float* at = to + (d * kTileHeight + row) * out_stride;
      for (int p = 0; p < kPanels; ++p) fetch_to_write(at + p * kPanelRows);
    }
  }
};

template <int kPanels>
void many_rows(const std::byte* weights, const DepthPiece& piece, const int8_t* exponents, const std::byte* x,
               int64_t n, std::byte* sums, float* out, int64_t out_stride) {
  const ManyRows<kPanels> all{weights, piece, units_of<kPanels>(exponents), x, sums, out, out_stride};
  Tiles tiles;
  tiles.shape({.left_rows = kTileHeight});
  int64_t done = 0;
  for (; n - done >= kMostDown * kTileHeight; done += kMostDown * kTileHeight) {
    all.template multiply<kMostDown>(done, kTileHeight);
  }
  for (; n - done >= kTileHeight; done += kTileHeight) all.template multiply<1>(done, kTileHeight);
  if (done == n) return;
  tiles.shape({.left_rows = n - done});
  all.template multiply<1>(done, n - done);
}

// The columns of each quad in the order of the weights' tiles.
void tile_rows(const float* x, int64_t x_stride, int64_t rows, int64_t groups, std::byte* out, int64_t group_stride) {
  const F32 unit = set1(kActivationUnit);
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * x_stride;
    std::byte* to = out + r * kTileRowBytes;
    for (int64_t g = 0; g < groups; ++g, from += kGroup, to += group_stride) {
      const F32 a = swap_middles(mul(load(from), unit));
      const F32 b = swap_middles(mul(load(from + kLanes), unit));
      store_pairs(to, neighbours(a, b));
    }
  }
}

template <PanelFormat F>
constexpr TileQuantKernels tile_format() {
  return {largest_weight<F>, spread_tiles<F>, few_rows_of<F>};
}

}  // namespace

constexpr TileKernels kTileKernels{
    .q4_0 = tile_format<kPanelQ4_0>(),
    .q4_1 = tile_format<kPanelQ4_1>(),
    .q5_0 = tile_format<kPanelQ5_0>(),
    .q5_1 = tile_format<kPanelQ5_1>(),
    .q8_0 = tile_format<kPanelQ8_0>(),
    .q2_k = tile_format<kPanelQ2_K>(),
    .q3_k = tile_format<kPanelQ3_K>(),
    .q4_k = tile_format<kPanelQ4_K>(),
    .q5_k = tile_format<kPanelQ5_K>(),
    .q6_k = tile_format<kPanelQ6_K>(),
    .iq4_nl = tile_format<kPanelIQ4_NL>(),
    .iq4_xs = tile_format<kPanelIQ4_XS>(),
    .mxfp4 = tile_format<kPanelMXFP4>(),
    .tile_rows = tile_rows,
    .many_rows = {many_rows<1>, many_rows<2>},
};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
