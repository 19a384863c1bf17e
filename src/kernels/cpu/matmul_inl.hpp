// Products of float matrices as they are.
#pragma once

#include "kernels/cpu/matmul_tile_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Rows of from hold neighbouring j.
void pack_rows(const float* from, int64_t k_stride, int64_t k, int64_t count, int64_t width, int64_t panel_floats,
               float* out) {
  for (int64_t i = 0; i < k; ++i) {
    float* to = out + i * width;
    for (int64_t j = 0; j < count; j += width, to += panel_floats) {
      const int64_t inside = count - j < width ? count - j : width;
      std::memcpy(to, from + i * k_stride + j, static_cast<size_t>(inside) * sizeof(float));
    }
  }
}

// See MatmulKernels::pack.
void pack_floats(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                 int64_t panel_bytes, std::byte* out) {
  const int64_t last = (count - 1) / width * panel_bytes;
  if (count % width > 0) std::memset(out + last, 0, static_cast<size_t>(k * width) * sizeof(float));
  auto* to = reinterpret_cast<float*>(out);
  const int64_t panel_floats = panel_bytes / static_cast<int64_t>(sizeof(float));
  if (j_stride == 1) return pack_rows(from, k_stride, k, count, width, panel_floats, to);
  for (int64_t j = 0; j < count; ++j) {
    float* column = to + j / width * panel_floats + j % width;
    for (int64_t i = 0; i < k; ++i) column[i * width] = from[i + j * j_stride];
  }
}

constexpr int kFloatDepth = 256;

struct FloatOperand {
  using Number = float;
  using Vector = F32;
  static constexpr int64_t kDepth = 1;  // of k, in one Number
  static LINNET_INLINE F32 load_all(const float* p) { return load(p); }
  static LINNET_INLINE F32 spread(float x) { return set1(x); }
  static LINNET_INLINE F32 multiply_add(F32 a, F32 b, F32 sum) { return fmadd(a, b, sum); }
};

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
