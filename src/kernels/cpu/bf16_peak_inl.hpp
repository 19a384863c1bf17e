// The loop of float_peak_inl.hpp for pairs of bfloat16.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

int64_t multiply_bf16(int64_t rounds) {
  F32 sums[kPeakSums];
  for (F32& sum : sums) sum = zero();
  const Bf16s x = set1_pair(0);
  for (int64_t i = 0; i < rounds; ++i) {
    for (F32& sum : sums) sum = add_dot(sum, x, x);
    for (F32& sum : sums) hide(sum);
  }
  return rounds * kPeakSums * kLanes * 2 * 2;
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
