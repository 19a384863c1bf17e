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
