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

// Calls f(codes, scales) for every group of a panel, in order.
template <PanelFormat F, class Body>
LINNET_INLINE void for_each_group(const std::byte* panel, int64_t groups, const Body& f) {
  constexpr int kGroups = F.groups_in_super();
  constexpr int64_t kHeader = F.header_bytes();
  constexpr int64_t kSub = F.sub_bytes();
  constexpr int64_t kStep = F.group_bytes();
  for (int64_t g = 0; g < groups; g += kGroups) {
    F32 d = zero();
    F32 min = zero();
    if constexpr (kHeader > 0) d = load_f16(panel);
    if constexpr (F.has_min) min = load_f16(panel + kHalfRow);
    panel += kHeader;
    for (int i = 0; i < kGroups; ++i, panel += kStep) {
      f(PackedCodes<F>{panel + kSub}, group_scales<F>(panel, d, min));
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
