// The softmax of a row, and the way back through it.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// The highest of n numbers and `least`. The last sixteen overlap those before them.
LINNET_INLINE float highest_of(const float* x, int64_t n, float least) {
  if (n < 16) {
    for (int64_t i = 0; i < n; ++i) least = x[i] > least ? x[i] : least;
    return least;
  }
  F32 most = load(x + n - 16);
  for (int64_t i = 0; i + 16 <= n; i += 16) most = max(most, load(x + i));
  const float highest = reduce_max(most);
  return highest > least ? highest : least;
}

// See KernelTable::softmax.
float softmax(float* x, int64_t n, float scale, float sink) {
  for (int64_t i = 0; i < n; i += 16) store_upto(x + i, n - i, mul(load_upto(x + i, n - i), set1(scale)));
  const float highest = highest_of(x, n, sink);
  const float of_sink = __builtin_expf(sink - highest);
  const float inverse = 1.0f / (of_sink + exp_shifted(x, highest, n, x));
  for (int64_t i = 0; i < n; i += 16) store_upto(x + i, n - i, mul(load_upto(x + i, n - i), set1(inverse)));
  return of_sink * inverse;
}

// See KernelTable::softmax_vjp.
float softmax_vjp(const float* p, int64_t n, float scale, float* dp) {
  F32 sum = zero();
  for (int64_t i = 0; i < n; i += 16) sum = fmadd(load_upto(p + i, n - i), load_upto(dp + i, n - i), sum);
  const float mean = reduce_add(sum);
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t left = n - i;
    const F32 d = sub(load_upto(dp + i, left), set1(mean));
    store_upto(dp + i, left, mul(mul(load_upto(p + i, left), d), set1(scale)));
  }
  return mean;
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
