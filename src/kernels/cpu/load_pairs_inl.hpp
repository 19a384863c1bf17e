// Pairs of bfloat16 from floats in memory.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// The pairs of `left` numbers, or of 32, with zeros behind them.
LINNET_INLINE Bf16s pairs_from(const float* p, int64_t left) {
  if (left >= 32) return neighbours(load(p), load(p + 16));
  return neighbours(load_first(p, left < 16 ? left : 16), left > 16 ? load_first(p + 16, left - 16) : zero());
}

// Rows of pairs become columns.
LINNET_INLINE void transpose(Bf16s (&rows)[16]) {
  I32 bits[16];
  for (int i = 0; i < 16; ++i) bits[i] = pair_bits(rows[i]);
  transpose<16>(bits);
  for (int i = 0; i < 16; ++i) rows[i] = pairs_of_bits(bits[i]);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
