// Products with quantised panels (kernels/panel.hpp), over the sixteen lanes of a simd header.
//
// The arithmetic of one output, the same in every schedule: for each group in order, an exact integer dot product, then
//   acc = fma(min, activation sum, acc) where there is one;  acc = fma(weight scale * dot, activation scale, acc).
// Activations in two terms give two dot products, joined as integers: 32 products of 255 * 32640 stay below 2^28.
#pragma once

#include "kernels/cpu/panel_inl.hpp"
#include "kernels/cpu/unroll_inl.hpp"
#ifdef LINNET_KERNEL_ROW_PAIRS
#include "kernels/cpu/wide_row_pairs_inl.hpp"
#else
#include "kernels/cpu/wide_quads_inl.hpp"
#endif

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// The integer dot product of all terms.
template <int kTerms>
LINNET_INLINE I32 joined(const I32 (&terms)[kTerms]) {
  if constexpr (kTerms == 1) {
    return terms[0];
  } else {
    return add(shift_left<8>(terms[0]), terms[1]);
  }
}

// weight scale * dot product, rounded once. The bits of one that started at kStartBits are those of the float kStart +
// dot, so that one operation does it, where converting and multiplying are two.
template <bool kMin, int kBits, int kTerms>
LINNET_INLINE F32 scaled(const I32 (&terms)[kTerms], F32 scale, F32 start) {
  if constexpr (kStartsAtBits<kMin, kBits, kTerms>) return fmadd(bits_to_f32(terms[0]), scale, start);
  return mul(to_f32(joined(terms)), scale);
}

// Part kPart of one group, kCount quads, of kRows rows of activations, `stride` apart, with kPanels panels: a broadcast
// of activations is used for each of them.
template <int kBits, bool kMin, int kPart, int kCount, int kTerms, int kPanels, int kRows, class Source>
LINNET_INLINE void dot_products(const Source (&sources)[kPanels], const ActGroup* x, int64_t stride,
                                I32 (&sums)[kPanels][kRows][kTerms]) {
  Dot<kBits> dots[kPanels][kRows][kTerms];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      for (int t = 0; t < kTerms; ++t) dots[p][r][t].start(start_of<kMin, kBits, kTerms, kPart>(x[r * stride + t]));
    }
  }
  constexpr int kAtOnce = kQuadsAtOnce<kBits>;
  unroll<0, kCount / kAtOnce>([&]<int kStep>() __attribute__((always_inline)) {
    constexpr int kQuad = kPart * kCount + kStep * kAtOnce;
    typename Dot<kBits>::Codes codes[kPanels][kAtOnce];
    for (int p = 0; p < kPanels; ++p) {
      unroll<0, kAtOnce>([&]<int kNext>() __attribute__((always_inline)) {
        codes[p][kNext] = Dot<kBits>::prepare(sources[p].template quad<kQuad + kNext>());
      });
    }
    for (int r = 0; r < kRows; ++r) {
      for (int t = 0; t < kTerms; ++t) {
        for (int p = 0; p < kPanels; ++p) {
          const int8_t* q = x[r * stride + t].q + int64_t{4} * kQuad;
          if constexpr (kAtOnce == 1) {
            dots[p][r][t].template step<kStep, kCount>(codes[p][0], q);
          } else {
            dots[p][r][t].step(codes[p], q);
          }
        }
      }
    }
  });
  for (int p = 0; p < kPanels; ++p) {
    for (int r = 0; r < kRows; ++r) {
      for (int t = 0; t < kTerms; ++t) sums[p][r][t] = dots[p][r][t].sum;
    }
  }
}

// Rows of a tile of one panel.
template <int kBits, int kTerms>
inline constexpr int kTileRows = kRowTile<kBits> > kTerms ? kRowTile<kBits> / kTerms : 1;

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA

#ifdef LINNET_KERNEL_WORDS
#include "kernels/cpu/dot_of_words_inl.hpp"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// One group of kRows rows of activations, `stride` apart, with kPanels panels.
template <int kBits, int kScales, bool kMin, int kTerms, int kPanels, int kRows, class Source>
LINNET_INLINE void accumulate(const Source (&sources)[kPanels], const GroupScales<kScales> (&scales)[kPanels],
                              const ActGroup* x, int64_t stride, F32 (&acc)[kPanels][kRows]) {
  constexpr int kCount = kQuads / kScales;
  unroll<0, kScales>([&]<int kPart>() __attribute__((always_inline)) {
    I32 dots[kPanels][kRows][kTerms];
    dot_products<kBits, kMin, kPart, kCount>(sources, x, stride, dots);
    F32 starts[kPanels];  // exact: scales have 19 bits at most, and lie far below the 2^103 where this overflows
    for (int p = 0; p < kPanels; ++p) starts[p] = mul(scales[p].scale[kPart], set1(-kStart));
    for (int r = 0; r < kRows; ++r) {
      const ActGroup& last = x[r * stride + kTerms - 1];
      for (int p = 0; p < kPanels; ++p) {
        if constexpr (kMin) acc[p][r] = fmadd(scales[p].min[kPart], set1(last.sum[kPart]), acc[p][r]);
        const F32 part = scaled<kMin, kBits>(dots[p][r], scales[p].scale[kPart], starts[p]);
        acc[p][r] = fmadd(part, set1(last.scale), acc[p][r]);
      }
    }
  });
}

template <PanelFormat F, int kTerms>
void one_row(const std::byte* panel, int64_t groups, const ActGroup* x, float* out) {
  constexpr int kBits = dot_bits(F.value_bits());
  F32 acc[1][1] = {{zero()}};
  PackedPanels<F, 1>{panel, groups}.for_each_group([&](const auto& codes,
                                                       const auto& scales) __attribute__((always_inline)) {
    accumulate<kBits, F.scales, F.has_min, kTerms>(codes, scales, x, 0, acc);
    x += kTerms;
  });
  store(out, acc[0][0]);
}

constexpr int64_t wide_group_bytes(int scales, bool has_min) {
  return kLine * (kQuads + scales * (has_min ? 2 : 1));
}

// Codes as bytes, then the scales, then the minima.
template <PanelFormat F>
void spread(const std::byte* panel, int64_t groups, std::byte* wide) {
  constexpr int64_t kStep = wide_group_bytes(F.scales, F.has_min);
  PackedPanels<F, 1>{panel, groups}.for_each_group([&](const auto& codes,
                                                       const auto& scales) __attribute__((always_inline)) {
    store_wide(codes[0], wide);
    auto* numbers = reinterpret_cast<float*>(wide + kLine * kQuads);
    for (int i = 0; i < F.scales; ++i) {
      store(numbers + i * kPanelRows, scales[0].scale[i]);
      if constexpr (F.has_min) store(numbers + (F.scales + i) * kPanelRows, scales[0].min[i]);
    }
    wide += kStep;
  });
}

// Panels as spread() leaves them, one after the other.
template <int kWideBits, int kWideScales, bool kWideMin, int kCount>
struct WidePanels {
  static constexpr int kBits = kWideBits;
  static constexpr int kScales = kWideScales;
  static constexpr bool kMin = kWideMin;
  static constexpr int kPanels = kCount;
  const std::byte* at;
  int64_t groups;

  template <int kPanel>
  LINNET_INLINE WidePanels<kBits, kScales, kMin, 1> one() const {
    return {at + kPanel * groups * wide_group_bytes(kScales, kMin), groups};
  }

  // As that of PackedPanels.
  template <class Body>
  LINNET_INLINE void for_each_group(const Body& f) const {
    constexpr int64_t kStep = wide_group_bytes(kScales, kMin);
    const std::byte* wide = at;
    for (int64_t g = 0; g < groups; ++g, wide += kStep) {
      WideCodes codes[kPanels];
      GroupScales<kScales> scales[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        codes[p].at = wide + p * groups * kStep;
        const auto* numbers = reinterpret_cast<const float*>(codes[p].at + kLine * kQuads);
        for (int i = 0; i < kScales; ++i) {
          scales[p].scale[i] = load(numbers + i * kPanelRows);
          scales[p].min[i] = kMin ? load(numbers + (kScales + i) * kPanelRows) : zero();
        }
      }
      f(codes, scales);
    }
  }
};

template <int kTerms, int kRows, class Panels>
void tile(Panels panels, const ActGroup* x, float* out, int64_t out_stride, Ahead ahead) {
  const int64_t groups = panels.groups;
  const std::byte* const ahead_end = ahead.at + ahead.bytes;
  const int64_t ahead_step = (ahead.bytes / groups + kLine - 1) / kLine * kLine;
  F32 acc[Panels::kPanels][kRows];
  for (int p = 0; p < Panels::kPanels; ++p) {
    for (int r = 0; r < kRows; ++r) acc[p][r] = zero();
  }
  panels.for_each_group([&](const auto& codes, const auto& scales) __attribute__((always_inline)) {
    const std::byte* until = ahead.at + ahead_step;
    for (; ahead.at < until && ahead.at < ahead_end; ahead.at += kLine) __builtin_prefetch(ahead.at, 0, 2);
    accumulate<Panels::kBits, Panels::kScales, Panels::kMin, kTerms>(codes, scales, x, groups * kTerms, acc);
    x += kTerms;
  });
  for (int p = 0; p < Panels::kPanels; ++p) {
    for (int r = 0; r < kRows; ++r) store(out + r * out_stride + p * kPanelRows, acc[p][r]);
  }
}

// Rows from `done` on, kRows at a time while there are so many, then the rest in lower tiles. The first tile fetches
// what is ahead.
template <int kTerms, int kRows, class Panels>
LINNET_INLINE void tiles(Panels panels, const ActGroup* x, int64_t done, int64_t n, float* out, int64_t out_stride,
                         Ahead ahead) {
  for (; n - done >= kRows; done += kRows) {
    tile<kTerms, kRows>(panels, x + done * panels.groups * kTerms, out + done * out_stride, out_stride, ahead);
    ahead.bytes = 0;
  }
  constexpr int kFewer = kRows > 8 ? 8 : kRows > 4 ? 4 : kRows > 2 ? 2 : 1;
  if constexpr (kRows > 1) tiles<kTerms, kFewer>(panels, x, done, n, out, out_stride, ahead);
}

template <int kTerms, class Panels>
LINNET_INLINE void all_tiles(Panels panels, const ActGroup* x, int64_t n, float* out, int64_t out_stride, Ahead ahead) {
  // A panel alone leaves the other's registers to more rows.
  constexpr int kAlone = Panels::kPanels == 1 ? kPanelTile : 1;
  constexpr int kRows = kTileRows<Panels::kBits, kTerms> * kAlone;
  if constexpr (Panels::kPanels <= kPanelTile) {
    tiles<kTerms, kRows>(panels, x, 0, n, out, out_stride, ahead);
  } else {
    all_tiles<kTerms>(panels.template one<0>(), x, n, out, out_stride, ahead);
    all_tiles<kTerms>(panels.template one<1>(), x, n, out + kPanelRows, out_stride, {});
  }
}

template <PanelFormat F, int kTerms, int kPanels>
void some_rows(const std::byte* panel, int64_t groups, const ActGroup* x, int64_t n, float* out, int64_t out_stride,
               Ahead ahead) {
  all_tiles<kTerms>(PackedPanels<F, kPanels>{panel, groups}, x, n, out, out_stride, ahead);
}

template <int kBits, int kScales, bool kMin, int kTerms, int kPanels>
void many_rows(const std::byte* wide, int64_t groups, const ActGroup* x, int64_t n, float* out, int64_t out_stride,
               Ahead ahead) {
  all_tiles<kTerms>(WidePanels<kBits, kScales, kMin, kPanels>{wide, groups}, x, n, out, out_stride, ahead);
}

template <PanelFormat F>
constexpr QuantKernels quant_kernels() {
  constexpr int kBits = dot_bits(F.value_bits());
  constexpr int64_t kSuper = F.super_bytes();
  constexpr int kGroups = F.groups_in_super();
  static_assert(!F.has_min || F.offset == kTakenFromCodes<kBits>);
  return {{one_row<F, 1>, one_row<F, 2>},
          kMostRowsAsPacked,
          {{some_rows<F, 1, 1>, some_rows<F, 1, 2>}, {some_rows<F, 2, 1>, some_rows<F, 2, 2>}},
          spread<F>,
          {{many_rows<kBits, F.scales, F.has_min, 1, 1>, many_rows<kBits, F.scales, F.has_min, 1, 2>},
           {many_rows<kBits, F.scales, F.has_min, 2, 1>, many_rows<kBits, F.scales, F.has_min, 2, 2>}},
          wide_group_bytes(F.scales, F.has_min),
          kSuper,
          kGroups,
          F.offset - kTakenFromCodes<kBits>,
          F.scales};
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
