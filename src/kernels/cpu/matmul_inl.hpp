// Products of float matrices as they are.
#pragma once

#include "kernels/cpu/matmul_tile_inl.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Rows of from hold neighbouring j.
template <int64_t kWidth>
void pack_rows(const float* from, int64_t k_stride, int64_t k, int64_t count, int64_t panel_floats, float* out) {
  for (; k > 0; --k, from += k_stride, out += kWidth) {
    float* to = out;
    int64_t j = 0;
    for (; j + kWidth <= count; j += kWidth, to += panel_floats) std::memcpy(to, from + j, kWidth * sizeof(float));
    if (j < count) std::memcpy(to, from + j, static_cast<size_t>(count - j) * sizeof(float));
  }
}

// A panel: rows of from hold neighbouring k, and are turned sixteen numbers at a time. Columns from `count` on become
// zero.
template <int64_t kWidth>
void pack_columns(const float* from, int64_t j_stride, int64_t k, int64_t count, float* to) {
  constexpr int kRows = kWidth < kLanes ? kWidth : kLanes;
  static_assert(kWidth % kRows == 0);
  constexpr int64_t kAhead = 4 * kLanes;
  constexpr int64_t kStored = kRows <= 8 ? 8 : kLanes;
  const float* end = to + k * kWidth;
  for (int64_t i = 0; i < k; i += kLanes) {
    const int64_t steps = k - i < kLanes ? k - i : kLanes;
    for (int64_t j = 0; j < kWidth; j += kRows) {
      I32 rows[kLanes] = {};
      for (int64_t r = 0; r < kRows && j + r < count; ++r) {
        const float* row = from + (j + r) * j_stride + i;
        __builtin_prefetch(row + kAhead);
        rows[r] = f32_to_bits(steps == kLanes ? load(row) : load_first(row, steps));
      }
      transpose<kRows>(rows);
      for (int64_t s = 0; s < steps; ++s) {
        float* at = to + (i + s) * kWidth + j;
        // What goes beyond a narrow panel's row is overwritten by the next.
        if (at + kStored <= end) {
          kStored == 8 ? store_eight(at, bits_to_f32(rows[s])) : store(at, bits_to_f32(rows[s]));
        } else {
          store_first(at, kRows, bits_to_f32(rows[s]));
        }
      }
    }
  }
}

template <int64_t kWidth>
void pack_panels(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t panel_floats,
                 float* to) {
  if (j_stride == 1) {
    if (count % kWidth > 0) {
      std::memset(to + count / kWidth * panel_floats, 0, static_cast<size_t>(k * kWidth) * sizeof(float));
    }
    return pack_rows<kWidth>(from, k_stride, k, count, panel_floats, to);
  }
  for (int64_t j = 0; j < count; j += kWidth, to += panel_floats) {
    pack_columns<kWidth>(from + j * j_stride, j_stride, k, count - j < kWidth ? count - j : kWidth, to);
  }
}

// See MatmulKernels::pack.
void pack_floats(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                 int64_t panel_bytes, std::byte* out) {
  auto* to = reinterpret_cast<float*>(out);
  const int64_t panel_floats = panel_bytes / static_cast<int64_t>(sizeof(float));
  if (width == kMatmulRows) {
    pack_panels<kMatmulRows>(from, k_stride, j_stride, k, count, panel_floats, to);
  } else {
    pack_panels<kMatmulCols>(from, k_stride, j_stride, k, count, panel_floats, to);
  }
}

// See MatmulKernels::place_in_b.
int64_t place_in_floats(int64_t k, int64_t j) {
  return k * kMatmulCols + j;
}

constexpr int kFloatDepth = 320;

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
