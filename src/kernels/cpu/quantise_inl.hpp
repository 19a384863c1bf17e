// Activations as integers (ActGroup of kernels/panel.hpp), over the sixteen lanes of a simd header.
#pragma once

#include "kernels/panel.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Integers of a group from its numbers: `most` steps for the largest magnitude, ties to even.
struct Steps {
  I32 a;
  I32 b;
  float scale;  // NaN where a number is not finite
};
LINNET_INLINE Steps steps_of(const float* x, float most) {
  constexpr float kTiny = 0x1p-112f;  // below it, most / amax could overflow
  const F32 a = load(x);
  const F32 b = load(x + 16);
  const I32 no_sign = set1(int32_t{0x7FFFFFFF});
  // Magnitudes order as integers do, and NaN is above infinity: it cannot hide from this maximum.
  const int32_t amax_bits = reduce_max(max(bit_and(f32_to_bits(a), no_sign), bit_and(f32_to_bits(b), no_sign)));
  float amax;
  std::memcpy(&amax, &amax_bits, sizeof(amax));
  if (amax_bits >= 0x7F800000) return {set1(int32_t{0}), set1(int32_t{0}), __builtin_nanf("")};
  if (amax < kTiny) return {set1(int32_t{0}), set1(int32_t{0}), 0.0f};
  const F32 inverse = set1(most / amax);
  return {to_i32(mul(a, inverse)), to_i32(mul(b, inverse)), amax / most};
}

// Sums of the group, or of each half where weights have a scale for each.
struct PartSums {
  int32_t part[2];
};
LINNET_INLINE PartSums part_sums(HalfSums halves, int scales) {
  return scales == 1 ? PartSums{{halves.first + halves.second, 0}} : PartSums{{halves.first, halves.second}};
}

template <int kTerms>
LINNET_INLINE void quantise_group(const float* x, int offset, int scales, ActGroup* out) {
  // The first of two terms is then at most 127, and the second at least -128.
  constexpr float kMost = kTerms == 1 ? 127.0f : 127.0f * 256;
  const Steps steps = steps_of(x, kMost);
  PartSums total{};
  I32 a = steps.a;
  I32 b = steps.b;
  if constexpr (kTerms == 2) {
    const I32 half = set1(int32_t{128});
    const I32 high_a = shift_right_signed<8>(add(a, half));
    const I32 high_b = shift_right_signed<8>(add(b, half));
    const PartSums sums = part_sums(store_i8(out->q, high_a, high_b), scales);
    a = sub(a, shift_left<8>(high_a));
    b = sub(b, shift_left<8>(high_b));
    for (int i = 0; i < 2; ++i) {
      out->start[i] = -offset * sums.part[i];
      total.part[i] = 256 * sums.part[i];
    }
    ++out;
  }
  const PartSums sums = part_sums(store_i8(out->q, a, b), scales);
  out->scale = steps.scale;
  for (int i = 0; i < 2; ++i) {
    out->start[i] = -offset * sums.part[i] + (kTerms == 1 ? kStartBits : 0);
    out->sum[i] = steps.scale * static_cast<float>(total.part[i] + sums.part[i]);
  }
}

template <int kTerms>
void quantise(const float* x, int64_t groups, int offset, int scales, ActGroup* out) {
  for (int64_t g = 0; g < groups; ++g) quantise_group<kTerms>(x + g * kGroup, offset, scales, out + g * kTerms);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
