// Products of float matrices as they are.
#pragma once

#include "kernels/cpu/matmul_tile_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// out (k, width) = from, whose number (k, j) lies at k * k_stride + j * j_stride; columns from `count` on are zero.
void pack_floats(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                 std::byte* out) {
  auto* to = reinterpret_cast<float*>(out);
  if (count < width) std::memset(out, 0, static_cast<size_t>(k * width) * sizeof(float));
  if (j_stride == 1) {
    for (int64_t i = 0; i < k; ++i) {
      std::memcpy(to + i * width, from + i * k_stride, static_cast<size_t>(count) * sizeof(float));
    }
    return;
  }
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t i = 0; i < k; ++i) to[i * width + j] = from[i * k_stride + j * j_stride];
  }
}

// c (kMatmulRows, kMatmulCols) = a · b, or added to it.
void multiply_tile(const std::byte* a_panel, const std::byte* b_panel, int64_t k, float* c, int64_t c_stride,
                   bool add) {
  const auto* a = reinterpret_cast<const float*>(a_panel);
  const auto* b = reinterpret_cast<const float*>(b_panel);
  F32 acc[kMatmulRows][kMatmulVecs];
  for (auto& row : acc) {
    for (F32& sum : row) sum = zero();
  }
  for (int64_t i = 0; i < k; ++i, a += kMatmulRows, b += kMatmulCols) {
    F32 w[kMatmulVecs];
    for (int v = 0; v < kMatmulVecs; ++v) w[v] = load(b + v * kLanes);
    for (int r = 0; r < kMatmulRows; ++r) {
      const F32 x = set1(a[r]);
      for (int v = 0; v < kMatmulVecs; ++v) acc[r][v] = fmadd(w[v], x, acc[r][v]);
    }
  }
  add ? store_tile<true>(acc, c, c_stride) : store_tile<false>(acc, c, c_stride);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
