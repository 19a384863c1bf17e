// Products of float matrices in tiles (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication").
// Both operands come packed: a in panels (K, kMatmulRows), b in panels (K, kMatmulCols). One output is a single chain
// of fused multiply-adds over k, in order.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kMatmulCols = kLanes * kMatmulVecs;

template <bool kAdd>
LINNET_INLINE void store_tile(const F32 (&acc)[kMatmulRows][kMatmulVecs], float* c, int64_t c_stride) {
  for (int r = 0; r < kMatmulRows; ++r) {
    for (int v = 0; v < kMatmulVecs; ++v) {
      float* to = c + r * c_stride + v * kLanes;
      store(to, kAdd ? add(acc[r][v], load(to)) : acc[r][v]);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
