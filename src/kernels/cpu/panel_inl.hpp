// What a quantised panel holds (kernels/panel.hpp), group by group, over the sixteen lanes of a simd header.
#pragma once

#include "kernels/panel.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Codes as they are packed.
template <PanelFormat F>
struct PackedCodes {
  const std::byte* at;

  template <int kQuad>
  LINNET_INLINE U8 quad() const {
    U8 codes = low<kQuad>();
    if constexpr (F.high_bits > 0) codes = bit_or(codes, high<kQuad>());
    if constexpr (F.table == CodeTable::kIq4) codes = lookup(kIq4Table, codes);
    if constexpr (F.table == CodeTable::kE2M1) codes = lookup(kE2M1Table, codes);
    return codes;
  }

 private:
  template <int kQuad>
  LINNET_INLINE U8 low() const {
    if constexpr (F.low_bits == 8) {
      return load_line(at + kLine * kQuad);
    } else if constexpr (F.low_bits == 4) {
      return shifted_and<kQuad / 4 * 4>(load_line(at + kLine * (kQuad % 4)), 15);
    } else {
      return shifted_and<kQuad % 4 * 2>(load_line(at + kLine * (kQuad / 4)), 3);
    }
  }
  template <int kQuad>
  LINNET_INLINE U8 high() const {
    constexpr int64_t kPlane = F.low_bytes();
    if constexpr (F.high_bits == 1) {
      return shifted_and<kQuad - F.low_bits>(load_line(at + kPlane), 1 << F.low_bits);
    } else {
      return shifted_and<kQuad % 4 * 2 - F.low_bits>(load_line(at + kPlane + kLine * (kQuad / 4)), 3 << F.low_bits);
    }
  }
};

// Scale (and minimum) of the rows for one group, or for each half of it.
template <int kScales>
struct GroupScales {
  F32 scale[kScales];
  F32 min[kScales];
};

template <PanelFormat F>
LINNET_INLINE GroupScales<F.scales> group_scales(const std::byte* factors, F32 d, F32 min) {
  GroupScales<F.scales> s;
  for (int i = 0; i < F.scales; ++i) {
    const std::byte* bytes = factors + i * kPanelRows;
    s.min[i] = min;
    if constexpr (F.scale == ScaleKind::kHalf) {
      s.scale[i] = d;
    } else if constexpr (F.scale == ScaleKind::kE8M0) {
      // 2^(e - 128); where that is subnormal (e < 2), zero.
      s.scale[i] = bits_to_f32(shift_left<23>(max(sub(load_u8(bytes), set1(int32_t{1})), set1(int32_t{0}))));
    } else if constexpr (F.scale == ScaleKind::kSuperU8) {
      s.scale[i] = mul(d, to_f32(load_u8(bytes)));
      if constexpr (F.has_min) s.min[i] = mul(min, to_f32(load_u8(bytes + F.scales * kPanelRows)));
    } else {
      s.scale[i] = mul(d, to_f32(load_i8(bytes)));
    }
  }
  return s;
}

// Whether the integer dot product starts at kStartBits. Codes with a minimum have no offset, and to start them anywhere
// but at zero may cost an addition, or a register where there are sixteen.
template <bool kMin, int kBits, int kTerms>
inline constexpr bool kStartsAtBits = kTerms == 1 && (!kMin || Dot<kBits>::kStartIsFree);

template <bool kMin, int kBits, int kTerms, int kPart>
LINNET_INLINE int32_t start_of(const ActGroup& x) {
  if constexpr (kMin) return kStartsAtBits<kMin, kBits, kTerms> ? kStartBits : 0;
  return x.start[kPart];
}

// Panels as they are packed, one after the other.
template <PanelFormat F, int kCount>
struct PackedPanels {
  static constexpr int kBits = dot_bits(F.value_bits());
  static constexpr int kScales = F.scales;
  static constexpr bool kMin = F.has_min;
  static constexpr int kPanels = kCount;
  const std::byte* at;
  int64_t groups;

  LINNET_INLINE int64_t panel_bytes() const { return groups / F.groups_in_super() * F.super_bytes(); }
  template <int kPanel>
  LINNET_INLINE PackedPanels<F, 1> one() const {
    return {at + kPanel * panel_bytes(), groups};
  }

  // Calls f(codes, scales), arrays over the panels, for every group in order.
  template <class Body>
  LINNET_INLINE void for_each_group(const Body& f) const {
    constexpr int kGroups = F.groups_in_super();
    const std::byte* from = at;
    for (int64_t g = 0; g < groups; g += kGroups) {
      F32 d[kPanels];
      F32 min[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        const std::byte* panel = from + p * panel_bytes();
        d[p] = F.header_bytes() > 0 ? load_f16(panel) : zero();
        min[p] = F.has_min ? load_f16(panel + kHalfRow) : zero();
      }
      from += F.header_bytes();
      for (int i = 0; i < kGroups; ++i, from += F.group_bytes()) {
        PackedCodes<F> codes[kPanels];
        GroupScales<F.scales> scales[kPanels];
        for (int p = 0; p < kPanels; ++p) {
          const std::byte* panel = from + p * panel_bytes();
          codes[p] = {panel + F.sub_bytes()};
          scales[p] = group_scales<F>(panel, d[p], min[p]);
        }
        f(codes, scales);
      }
    }
  }
};

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
