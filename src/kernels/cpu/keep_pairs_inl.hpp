// What teaching keeps for its way back, as pairs of bfloat16.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// The pairs that store_pairs_first() makes of both, which become the numbers that these hold.
LINNET_INLINE Bf16s rounded_pairs(F32& low, F32& high) {
  const Bf16s pairs = interleaved(low, high);
  const I32 bits = pair_bits(pairs);
  low = bits_to_f32(shift_left<16>(bits));
  high = bits_to_f32(bit_and(bits, set1(static_cast<int32_t>(0xFFFF0000))));
  return pairs;
}

// See PairKernels::keep.
void keep_pairs(float* low, float* high, int64_t n, uint32_t* out) {
  const bool on_lines = reinterpret_cast<uintptr_t>(out) % 64 == 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    F32 a = load(low + i);
    F32 b = load(high + i);
    const Bf16s pairs = rounded_pairs(a, b);
    store(low + i, a);
    store(high + i, b);
    if (on_lines) {
      store_passing(out + i, pairs);
    } else {
      store_first(out + i, kLanes, pairs);
    }
  }
  if (i < n) {
    F32 a = load_first(low + i, n - i);
    F32 b = load_first(high + i, n - i);
    store_first(out + i, n - i, rounded_pairs(a, b));
    store_first(low + i, n - i, a);
    store_first(high + i, n - i, b);
  }
  passing_ends();
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
