// Products of float matrices as pairs of bfloat16, two products an instruction.
#pragma once

#include "kernels/cpu/matmul_tile_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// out (k / 2, width, 2) = from, rounded to nearest; a k that is odd ends in zeros. See MatmulKernels::pack.
void pack_pairs(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                std::byte* out) {
  auto* to = reinterpret_cast<uint32_t*>(out);
  const auto load_row = [&](int64_t i, int64_t j) {
    const int64_t inside = i >= k || j >= count ? 0 : count - j < 16 ? count - j : 16;
    if (j_stride == 1) return load_first(from + i * k_stride + j, inside);
    alignas(64) float numbers[16] = {};
    for (int64_t l = 0; l < inside; ++l) numbers[l] = from[i * k_stride + (j + l) * j_stride];
    return load(numbers);
  };
  for (int64_t i = 0; i < k; i += 2, to += width) {
    for (int64_t j = 0; j < width; j += 16) {
      store_pairs_first(to + j, width - j < 16 ? width - j : 16, load_row(i, j), load_row(i + 1, j));
    }
  }
}

void multiply_tile_pairs(const std::byte* a_panel, const std::byte* b_panel, int64_t k, float* c, int64_t c_stride,
                         bool add) {
  const auto* a = reinterpret_cast<const uint32_t*>(a_panel);
  const auto* b = reinterpret_cast<const uint32_t*>(b_panel);
  F32 acc[kMatmulRows][kMatmulVecs];
  for (auto& row : acc) {
    for (F32& sum : row) sum = zero();
  }
  for (int64_t i = 0; i < k; i += 2, a += kMatmulRows, b += kMatmulCols) {
    Bf16s w[kMatmulVecs];
    for (int v = 0; v < kMatmulVecs; ++v) w[v] = load_pairs(b + v * kLanes);
    for (int r = 0; r < kMatmulRows; ++r) {
      const Bf16s x = set1_pair(a[r]);
      for (int v = 0; v < kMatmulVecs; ++v) acc[r][v] = add_dot(acc[r][v], w[v], x);
    }
  }
  add ? store_tile<true>(acc, c, c_stride) : store_tile<false>(acc, c, c_stride);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
