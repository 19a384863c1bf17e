// The element-wise maths, once for every instruction set: exp, sigmoid, SiLU, GELU, RMSNorm.
//
// Only fused multiply-adds by name, and no libm: results hang on the instruction set alone.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

LINNET_INLINE float reduce_add(F32 a) {
  for (int step = 8; step > 0; step /= 2) a = add(a, swap_halves(a, step));
  return first(a);
}

// e^x to within 2 units in the last place; 0 below -104, infinity above 88.73, NaN for NaN.
// x = n ln 2 + r, |r| <= ln 2 / 2 (Cody & Waite), e^r by the polynomial of Cephes' expf, then 2^n in two factors, so
// that subnormal results come out right.
LINNET_INLINE F32 exp(F32 x) {
  constexpr float kLowest = -104.0f;
  constexpr float kHighest = 89.0f;
  const F32 clamped = max(set1(kLowest), min(set1(kHighest), x));  // in this order NaN passes through
  const F32 n = round(mul(clamped, set1(1.44269504088896341f)));
  F32 r = fnmadd(n, set1(0.693359375f), clamped);
  r = fnmadd(n, set1(-2.12194440e-4f), r);
  F32 p = set1(1.9875691500e-4f);
  p = fmadd(p, r, set1(1.3981999507e-3f));
  p = fmadd(p, r, set1(8.3334519073e-3f));
  p = fmadd(p, r, set1(4.1665795894e-2f));
  p = fmadd(p, r, set1(1.6666665459e-1f));
  p = fmadd(p, r, set1(5.0000001201e-1f));
  p = fmadd(mul(r, r), p, add(r, set1(1.0f)));
  const I32 whole = to_i32(n);
  const I32 half = shift_right_signed<1>(whole);
  const I32 bias = set1(int32_t{127});
  const F32 factor_a = bits_to_f32(shift_left<23>(add(half, bias)));
  const F32 factor_b = bits_to_f32(shift_left<23>(add(sub(whole, half), bias)));
  return select_less(x, set1(kLowest), zero(), mul(mul(p, factor_a), factor_b));
}

LINNET_INLINE F32 negated(F32 x) {
  return sub(zero(), x);
}

LINNET_INLINE F32 sigmoid(F32 x) {
  return div(set1(1.0f), add(set1(1.0f), exp(negated(x))));
}

struct Silu {
  static LINNET_INLINE F32 of(F32 x) { return mul(x, sigmoid(x)); }
};

// x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static LINNET_INLINE F32 of(F32 x) {
    const F32 cubic = fmadd(mul(mul(x, x), x), set1(0.044715f), x);
    return mul(x, sigmoid(mul(cubic, set1(2 * 0.7978845608028654f))));
  }
};

template <class Activation>
void gate(const float* gates, const float* up, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, mul(Activation::of(load(gates + i)), load(up + i)));
  if (i < n) {
    const F32 last = mul(Activation::of(load_first(gates + i, n - i)), load_first(up + i, n - i));
    store_first(out + i, n - i, last);
  }
}

// Squares in two chains of sixteen lanes, then halves, quarters, ...: fixed by `dim` alone.
LINNET_INLINE float sum_of_squares(const float* x, int64_t dim) {
  F32 even = zero();
  F32 odd = zero();
  int64_t i = 0;
  for (; i + 32 <= dim; i += 32) {
    const F32 a = load(x + i);
    const F32 b = load(x + i + 16);
    even = fmadd(a, a, even);
    odd = fmadd(b, b, odd);
  }
  for (; i < dim; i += 16) {
    const F32 a = dim - i >= 16 ? load(x + i) : load_first(x + i, dim - i);
    even = fmadd(a, a, even);
  }
  return reduce_add(add(even, odd));
}

void rms_norm(const float* x, const float* weight, float offset, float eps, int64_t rows, int64_t dim, float* out) {
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    const float mean = sum_of_squares(x, dim) / static_cast<float>(dim);
    const F32 scale = set1(1.0f / __builtin_sqrtf(mean + eps));
    int64_t i = 0;
    for (; i + 16 <= dim; i += 16) {
      store(out + i, mul(mul(load(x + i), scale), add(load(weight + i), set1(offset))));
    }
    if (i < dim) {
      const F32 w = add(load_first(weight + i, dim - i), set1(offset));
      store_first(out + i, dim - i, mul(mul(load_first(x + i, dim - i), scale), w));
    }
  }
}

void to_half(const float* x, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_f16(out + i, load(x + i));
  if (i == n) return;
  uint16_t rest[16];
  store_f16(rest, load_first(x + i, n - i));
  std::memcpy(out + i, rest, static_cast<size_t>(n - i) * sizeof(uint16_t));
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
