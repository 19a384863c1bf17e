// Products of float matrices in tiles (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication").
// Both operands come packed: a in panels (K, kMatmulRows), b in panels (K, kMatmulCols). One output is a single chain
// of fused multiply-adds over k, in order.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/unroll_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int64_t kMatmulCols = kLanes * kMatmulVecs;

template <bool kAdd>
LINNET_INLINE void store_tile(const F32 (&acc)[kMatmulRows][kMatmulVecs], float* c, int64_t c_stride) {
  unroll<0, kMatmulRows * kMatmulVecs>([&]<int kIndex>() __attribute__((always_inline)) {
    constexpr int r = kIndex / kMatmulVecs;
    constexpr int v = kIndex % kMatmulVecs;
    float* to = c + r * c_stride + v * kLanes;
    store(to, kAdd ? add(acc[r][v], load(to)) : acc[r][v]);
  });
}

// c (kMatmulRows, kMatmulCols) = a · b, or added to it. Operand: what a panel is made of, and how two are multiplied.
template <class Operand>
void multiply_tile(const std::byte* a_panel, const std::byte* b_panel, int64_t k, float* c, int64_t c_stride, bool add,
                   const TileAhead& /*ahead*/) {
  const auto* a = reinterpret_cast<const typename Operand::Number*>(a_panel);
  const auto* b = reinterpret_cast<const typename Operand::Number*>(b_panel);
  // c lies in a farther cache than the panels: fetched while they are multiplied.
  for (int r = 0; r < kMatmulRows; ++r) {
    for (int v = 0; v < kMatmulVecs; ++v) __builtin_prefetch(c + r * c_stride + v * kLanes, 1);
  }
  F32 acc[kMatmulRows][kMatmulVecs];
  unroll<0, kMatmulRows * kMatmulVecs>([&]<int kIndex>() __attribute__((always_inline)) {
    acc[kIndex / kMatmulVecs][kIndex % kMatmulVecs] = zero();
  });
  for (int64_t i = 0; i < k; i += Operand::kDepth, a += kMatmulRows, b += kMatmulCols) {
    typename Operand::Vector w[kMatmulVecs];
    for (int v = 0; v < kMatmulVecs; ++v) w[v] = Operand::load_all(b + v * kLanes);
    for (int r = 0; r < kMatmulRows; ++r) {
      const typename Operand::Vector x = Operand::spread(a[r]);
      for (int v = 0; v < kMatmulVecs; ++v) acc[r][v] = Operand::multiply_add(w[v], x, acc[r][v]);
    }
  }
  add ? store_tile<true>(acc, c, c_stride) : store_tile<false>(acc, c, c_stride);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
