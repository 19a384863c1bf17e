// LayerNorm, and the way back through it and RMSNorm.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// a, with zeros from lane `left` on.
LINNET_INLINE F32 first_lanes(F32 a, int64_t left) {
  if (left >= 16) return a;
  alignas(64) float lanes[16];
  store(lanes, a);
  return load_first(lanes, left);
}

struct RowMoments {
  float mean;
  float inverse;  // of the root of the mean square around it
};

template <bool kCentred>
LINNET_INLINE RowMoments moments_of(const float* x, int64_t dim, float eps) {
  const auto count = static_cast<float>(dim);
  if (!kCentred) return {0, 1.0f / __builtin_sqrtf(sum_of_squares(x, dim) / count + eps)};
  F32 sum = zero();
  for (int64_t i = 0; i < dim; i += 16) sum = add(sum, load_upto(x + i, dim - i));
  const float mean = reduce_add(sum) / count;
  F32 squares = zero();
  for (int64_t i = 0; i < dim; i += 16) {
    const F32 d = first_lanes(sub(load_upto(x + i, dim - i), set1(mean)), dim - i);
    squares = fmadd(d, d, squares);
  }
  return {mean, 1.0f / __builtin_sqrtf(reduce_add(squares) / count + eps)};
}

// bias: null for none.
void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t dim,
                float* out) {
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    const RowMoments m = moments_of<true>(x, dim, eps);
    for (int64_t i = 0; i < dim; i += 16) {
      const int64_t left = dim - i;
      const F32 n = mul(sub(load_upto(x + i, left), set1(m.mean)), set1(m.inverse));
      const F32 b = bias ? load_upto(bias + i, left) : zero();
      store_upto(out + i, left, fmadd(n, load_upto(weight + i, left), b));
    }
  }
}

// With g = dy (weight + offset):  dx = inverse * (g - mean(g) - n mean(g n)),  dweight += dy n,  dbias += dy; where the
// norm does not centre, mean(g) is left out.
template <bool kCentred>
LINNET_INLINE void norm_vjp_row(const NormVjpCall& call, const float* x, const float* dy, float* dx) {
  const int64_t dim = call.dim;
  const RowMoments m = moments_of<kCentred>(x, dim, call.eps);
  const F32 mean = set1(m.mean);
  const F32 inverse = set1(m.inverse);
  const F32 offset = set1(call.offset);
  F32 sum_g = zero();
  F32 sum_gn = zero();
  for (int64_t i = 0; i < dim; i += 16) {
    const int64_t left = dim - i;
    const F32 d = load_upto(dy + i, left);  // zero behind the row, and so is all that it is a factor of
    const F32 n = mul(sub(load_upto(x + i, left), mean), inverse);
    const F32 g = mul(d, add(load_upto(call.weight + i, left), offset));
    sum_g = add(sum_g, g);
    sum_gn = fmadd(g, n, sum_gn);
    if (call.dweight) store_upto(call.dweight + i, left, fmadd(d, n, load_upto(call.dweight + i, left)));
    if (call.dbias) store_upto(call.dbias + i, left, add(load_upto(call.dbias + i, left), d));
  }
  if (!dx) return;
  const auto count = static_cast<float>(dim);
  const F32 mean_g = set1(kCentred ? reduce_add(sum_g) / count : 0.0f);
  const F32 mean_gn = set1(reduce_add(sum_gn) / count);
  for (int64_t i = 0; i < dim; i += 16) {
    const int64_t left = dim - i;
    const F32 n = mul(sub(load_upto(x + i, left), mean), inverse);
    const F32 g = mul(load_upto(dy + i, left), add(load_upto(call.weight + i, left), offset));
    store_upto(dx + i, left, mul(inverse, fnmadd(n, mean_gn, sub(g, mean_g))));
  }
}

void norm_vjp(const NormVjpCall& call) {
  for (int64_t r = 0; r < call.rows; ++r) {
    const int64_t at = r * call.dim;
    float* dx = call.dx ? call.dx + at : nullptr;
    if (call.centred) {
      norm_vjp_row<true>(call, call.x + at, call.dy + at, dx);
    } else {
      norm_vjp_row<false>(call, call.x + at, call.dy + at, dx);
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
