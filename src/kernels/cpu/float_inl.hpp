// Products with matrices of plain floats: panels of 16 output rows, (cols, 16).
//
// The arithmetic of one output: even and odd columns are summed apart, each by fused multiply-adds in order, and then
// added. Two chains keep the multiplier busy for one row and leave registers for twelve.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

template <FloatFormat kFormat>
LINNET_INLINE F32 load_column(const std::byte* panel, int64_t column) {
  if constexpr (kFormat == FloatFormat::kF32) {
    return load(reinterpret_cast<const float*>(panel) + column * kPanelRows);
  } else if constexpr (kFormat == FloatFormat::kF16) {
    return load_f16(panel + column * kHalfRow);
  } else {
    return load_bf16(panel + column * kHalfRow);
  }
}

template <FloatFormat kFormat, int kRows>
void float_tile(const std::byte* panel, int64_t cols, const float* x, float* out, int64_t out_stride) {
  F32 even[kRows];
  F32 odd[kRows];
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = zero();
  int64_t c = 0;
  for (; c + 2 <= cols; c += 2) {
    const F32 w0 = load_column<kFormat>(panel, c);
    for (int r = 0; r < kRows; ++r) even[r] = fmadd(w0, set1(x[r * cols + c]), even[r]);
    const F32 w1 = load_column<kFormat>(panel, c + 1);
    for (int r = 0; r < kRows; ++r) odd[r] = fmadd(w1, set1(x[r * cols + c + 1]), odd[r]);
  }
  if (c < cols) {
    const F32 w = load_column<kFormat>(panel, c);
    for (int r = 0; r < kRows; ++r) even[r] = fmadd(w, set1(x[r * cols + c]), even[r]);
  }
  for (int r = 0; r < kRows; ++r) store(out + r * out_stride, add(even[r], odd[r]));
}

template <FloatFormat kFormat, int kRows>
LINNET_INLINE int64_t float_tiles(const std::byte* panel, int64_t cols, const float* x, int64_t done, int64_t n,
                                  float* out, int64_t out_stride) {
  for (; n - done >= kRows; done += kRows) {
    float_tile<kFormat, kRows>(panel, cols, x + done * cols, out + done * out_stride, out_stride);
  }
  return done;
}

template <FloatFormat kFormat>
void float_product(const std::byte* panel, int64_t cols, const float* x, int64_t n, float* out, int64_t out_stride) {
  int64_t done = float_tiles<kFormat, kFloatRowTile>(panel, cols, x, 0, n, out, out_stride);
  if constexpr (kFloatRowTile > 4) done = float_tiles<kFormat, 4>(panel, cols, x, done, n, out, out_stride);
  float_tiles<kFormat, 1>(panel, cols, x, done, n, out, out_stride);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
