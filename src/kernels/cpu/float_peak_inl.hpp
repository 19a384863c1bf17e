// Loops that do one thing as fast as the instruction set can: what `linnet bench` holds the real work against.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

int64_t multiply_f32(int64_t rounds) {
  F32 sums[kPeakSums];
  for (F32& sum : sums) sum = zero();
  F32 x = set1(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
    hide(x);
    for (F32& sum : sums) sum = fmadd(x, x, sum);
    for (F32& sum : sums) hide(sum);
  }
  return rounds * kPeakSums * kLanes * 2;
}

void read_lines(const std::byte* lines, int64_t count) {
  U8 seen = load_line(lines);
  for (int64_t i = 0; i < count; ++i) seen = bit_or(seen, load_line(lines + i * 64));
  hide(seen);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
