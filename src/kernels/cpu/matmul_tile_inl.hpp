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

using TileSums = F32[kMatmulRows][kMatmulVecs];

// Calls visit.operator()<row, vector>() for each of a tile's sums.
template <class Visit>
LINNET_INLINE void each_sum(const Visit& visit) {
  unroll<0, kMatmulRows * kMatmulVecs>([&]<int kIndex>() __attribute__((always_inline)) {
    visit.template operator()<kIndex / kMatmulVecs, kIndex % kMatmulVecs>();
  });
}

// Operand: what a panel is made of, and how two are multiplied. Panels of b come from the second cache.
template <class Operand>
LINNET_INLINE void add_products(const TileFactors& factors, TileSums& acc) {
  constexpr int64_t kStepsAhead = 16;
  const auto* a = reinterpret_cast<const typename Operand::Number*>(factors.a);
  const auto* b = reinterpret_cast<const typename Operand::Number*>(factors.b);
  for (int64_t i = 0; i < factors.k; i += Operand::kDepth, a += kMatmulRows, b += kMatmulCols) {
    typename Operand::Vector w[kMatmulVecs];
    for (int v = 0; v < kMatmulVecs; ++v) {
      w[v] = Operand::load_all(b + v * kLanes);
      __builtin_prefetch(b + kStepsAhead * kMatmulCols + v * kLanes);
    }
    for (int r = 0; r < kMatmulRows; ++r) {
      const typename Operand::Vector x = Operand::spread(a[r]);
      for (int v = 0; v < kMatmulVecs; ++v) acc[r][v] = Operand::multiply_add(w[v], x, acc[r][v]);
    }
  }
}

// See MatmulKernels::tile.
template <class Operand>
void multiply_tile(const TileFactors& factors, const TileFactors& plus, float* c, int64_t c_stride, bool add,
                   const TileAhead& /*ahead*/) {
  // c lies in a farther cache than the panels: fetched while they are multiplied.
  for (int r = 0; r < kMatmulRows; ++r) {
    for (int v = 0; v < kMatmulVecs; ++v) __builtin_prefetch(c + r * c_stride + v * kLanes, 1);
  }
  TileSums acc;
  if (add) {
    each_sum([&]<int r, int v>() __attribute__((always_inline)) { acc[r][v] = load(c + r * c_stride + v * kLanes); });
  } else {
    each_sum([&]<int r, int v>() __attribute__((always_inline)) { acc[r][v] = zero(); });
  }
  add_products<Operand>(factors, acc);
  add_products<Operand>(plus, acc);
  each_sum([&]<int r, int v>() __attribute__((always_inline)) { store(c + r * c_stride + v * kLanes, acc[r][v]); });
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
