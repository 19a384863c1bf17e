// The element-wise maths, once for every instruction set: exp, sigmoid, SiLU, GELU.
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

LINNET_INLINE float reduce_max(F32 a) {
  for (int step = 8; step > 0; step /= 2) a = max(a, swap_halves(a, step));
  return first(a);
}

// e^(x - n ln 2), for n the integer nearest to x / ln 2.
LINNET_INLINE F32 exp_of_rest(F32 x, F32 n) {
  F32 r = fnmadd(n, set1(0.693359375f), x);
  r = fnmadd(n, set1(-2.12194440e-4f), r);
  F32 p = set1(1.9875691500e-4f);
  p = fmadd(p, r, set1(1.3981999507e-3f));
  p = fmadd(p, r, set1(8.3334519073e-3f));
  p = fmadd(p, r, set1(4.1665795894e-2f));
  p = fmadd(p, r, set1(1.6666665459e-1f));
  p = fmadd(p, r, set1(5.0000001201e-1f));
  return fmadd(mul(r, r), p, add(r, set1(1.0f)));
}

// e^x to within 2 units in the last place; 0 below -104, infinity above 88.73, NaN for NaN.
// x = n ln 2 + r, |r| <= ln 2 / 2 (Cody & Waite), e^r by the polynomial of Cephes' expf, then 2^n in two factors, so
// that subnormal results come out right.
LINNET_INLINE F32 exp(F32 x) {
  constexpr float kLowest = -104.0f;
  constexpr float kHighest = 89.0f;
  const F32 clamped = max(set1(kLowest), min(set1(kHighest), x));  // in this order NaN passes through
  const F32 n = round(mul(clamped, set1(1.44269504088896341f)));
  const F32 p = exp_of_rest(clamped, n);
  const I32 whole = to_i32(n);
  const I32 half = shift_right_signed<1>(whole);
  const I32 bias = set1(int32_t{127});
  const F32 factor_a = bits_to_f32(shift_left<23>(add(half, bias)));
  const F32 factor_b = bits_to_f32(shift_left<23>(add(sub(whole, half), bias)));
  return select_less(x, set1(kLowest), zero(), mul(mul(p, factor_a), factor_b));
}

// e^x for x <= 88, as exp but 0 where that would be subnormal: softmax's weights below 2^-126.
LINNET_INLINE F32 exp_normal(F32 x) {
  constexpr float kLowest = -87.0f;
  const F32 clamped = max(set1(kLowest), x);  // in this order NaN passes through
  const F32 n = round(mul(clamped, set1(1.44269504088896341f)));
  const F32 p = exp_of_rest(clamped, n);
  const F32 value = bits_to_f32(add(f32_to_bits(p), shift_left<23>(to_i32(n))));
  return select_less(x, set1(kLowest), zero(), value);
}

// e^(scale * x - highest) for scale * x <= highest + 88, to 3 parts in a million: for weights of a softmax, which
// bfloat16 then rounds to eight bits. Never below 2^-126, which is nothing beside the highest. NaN passes through.
LINNET_INLINE F32 exp_below(F32 x, float scale, float highest) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLowest = -125.0f;
  constexpr float kUnits = 0x1.8p23f;  // what is added to it is rounded, and stands in its last bits
  const F32 t = max(set1(kLowest), fmadd(x, set1(scale * kLog2E), set1(-highest * kLog2E)));
  const F32 rounded = add(t, set1(kUnits));
  const F32 f = sub(t, sub(rounded, set1(kUnits)));
  F32 p = set1(9.57008611e-3f);  // 2^f, |f| <= 1/2, of the least relative error
  p = fmadd(p, f, set1(5.59178509e-2f));
  p = fmadd(p, f, set1(2.40247451e-1f));
  p = fmadd(p, f, set1(6.93121816e-1f));
  p = fmadd(p, f, set1(9.99999261e-1f));
  return bits_to_f32(add(f32_to_bits(p), shift_left<23>(f32_to_bits(rounded))));
}

LINNET_INLINE F32 negated(F32 x) {
  return sub(zero(), x);
}

// 1 / x to within 2 units in the last place, for x between 1 and 2^126: a guess from the bits, within an eighth, whose
// error two steps of the third order take away. Half as long as a division.
LINNET_INLINE F32 inverse(F32 x) {
  const F32 one = set1(1.0f);
  F32 y = bits_to_f32(sub(set1(int32_t{0x7EF311C7}), f32_to_bits(x)));
  for (int step = 0; step < 2; ++step) {
    const F32 error = fnmadd(x, y, one);
    y = fmadd(y, fmadd(error, error, error), y);
  }
  return y;
}

// 0 below -86, where it is less than 2^-123.
LINNET_INLINE F32 sigmoid(F32 x) {
  constexpr float kLowest = -86.0f;
  const F32 clamped = min(set1(-kLowest), negated(x));  // in this order NaN passes through
  return select_less(x, set1(kLowest), zero(), inverse(add(set1(1.0f), exp_normal(clamped))));
}

// An activation x * gate(x), where gate rises from 0 to 1, and its derivative.
struct ValueAndSlope {
  F32 value;
  F32 slope;
};

struct Silu {
  static LINNET_INLINE F32 of(F32 x) { return mul(x, sigmoid(x)); }
  // s + x s (1 - s)
  static LINNET_INLINE ValueAndSlope with_slope(F32 x) {
    const F32 s = sigmoid(x);
    const F32 value = mul(x, s);
    return {value, fmadd(value, sub(set1(1.0f), s), s)};
  }
};

// x Φ(x), Φ(x) = (1 + erf(z)) / 2, z = x / sqrt(2). erf, to within 3e-7, by the rational function of Eigen's and XLA's
// float32 erf: z P(z^2) / Q(z^2) up to |z| = 4, from where on it is 1.
struct Gelu {
  static constexpr float kMost = 4;
  static constexpr float kLeastX = -5.6568542f;  // -4 sqrt(2)

  static LINNET_INLINE F32 gate(F32 x) {
    const F32 z = max(set1(-kMost), min(set1(kMost), mul(x, set1(0.70710678f))));  // in this order NaN passes through
    const F32 s = mul(z, z);
    F32 p = set1(-2.72614225801306e-10f);
    p = fmadd(p, s, set1(2.77068142495902e-8f));
    p = fmadd(p, s, set1(-2.10102402082508e-6f));
    p = fmadd(p, s, set1(-5.69250639462346e-5f));
    p = fmadd(p, s, set1(-7.34990630326855e-4f));
    p = fmadd(p, s, set1(-2.95459980854025e-3f));
    p = fmadd(p, s, set1(-1.60960333262415e-2f));
    F32 q = set1(-1.45660718464996e-5f);
    q = fmadd(q, s, set1(-2.13374055278905e-4f));
    q = fmadd(q, s, set1(-1.68282697438203e-3f));
    q = fmadd(q, s, set1(-7.37332916720468e-3f));
    q = fmadd(q, s, set1(-1.42647390514189e-2f));
    return fmadd(div(mul(z, p), q), set1(0.5f), set1(0.5f));
  }
  static LINNET_INLINE F32 of(F32 x) { return select_less(x, set1(kLeastX), zero(), mul(x, gate(x))); }
  // Φ(x) + x φ(x)
  static LINNET_INLINE ValueAndSlope with_slope(F32 x) {
    const F32 whole = gate(x);
    const F32 density = mul(exp_normal(mul(mul(x, x), set1(-0.5f))), set1(0.39894228f));
    const F32 least = set1(kLeastX);
    return {select_less(x, least, zero(), mul(x, whole)), select_less(x, least, zero(), fmadd(x, density, whole))};
  }
};

// x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr float kCubic = 0.044715f;
  static constexpr float kTwice = 2 * 0.7978845608028654f;

  static LINNET_INLINE F32 gate(F32 x) {
    const F32 cubic = fmadd(mul(mul(x, x), x), set1(kCubic), x);
    return sigmoid(mul(cubic, set1(kTwice)));
  }
  static LINNET_INLINE F32 of(F32 x) { return mul(x, gate(x)); }
  // s + x s (1 - s) d(2 u)/dx
  static LINNET_INLINE ValueAndSlope with_slope(F32 x) {
    const F32 s = gate(x);
    const F32 value = mul(x, s);
    const F32 inner = mul(set1(kTwice), fmadd(mul(x, x), set1(3 * kCubic), set1(1.0f)));
    return {value, fmadd(mul(value, sub(set1(1.0f), s)), inner, s)};
  }
};

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
