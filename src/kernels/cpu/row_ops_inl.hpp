// Ops on rows of numbers: RMSNorm, rotations, sums, and gates with their activation.
#pragma once

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

LINNET_INLINE F32 load_upto(const float* p, int64_t left) {
  return left >= 16 ? load(p) : load_first(p, left);
}
LINNET_INLINE void store_upto(float* p, int64_t left, F32 a) {
  if (left >= 16) return store(p, a);
  store_first(p, left, a);
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

// out = x + y
void add_numbers(const float* x, const float* y, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, add(load(x + i), load(y + i)));
  if (i < n) store_first(out + i, n - i, add(load_first(x + i, n - i), load_first(y + i, n - i)));
}

// x times a dropout mask, by sixteen levels.
LINNET_INLINE F32 dropped_by(F32 x, const uint16_t* levels, F32 dropped, F32 kept) {
  return select_less(to_f32(load_u16(levels)), dropped, zero(), mul(x, kept));
}

void drop_numbers(const float* x, const uint16_t* levels, int64_t n, uint32_t dropped, float kept, float* out) {
  const F32 limit = set1(static_cast<float>(dropped));
  const F32 factor = set1(kept);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, dropped_by(load(x + i), levels + i, limit, factor));
  if (i == n) return;
  uint16_t rest[16] = {};
  std::memcpy(rest, levels + i, static_cast<size_t>(n - i) * sizeof(uint16_t));
  store_first(out + i, n - i, dropped_by(load_first(x + i, n - i), rest, limit, factor));
}

void rotate(const RotateCall& call, const float* x, const float* cos, const float* sin, float* out) {
  const int64_t half = call.half;
  for (int64_t h = 0; h < call.heads; ++h, x += call.dim, out += call.dim) {
    for (int64_t i = 0; i < half; i += 16) {
      const int64_t left = half - i;
      const F32 c = load_upto(cos + i, left);
      const F32 turn = mul(set1(call.direction), load_upto(sin + i, left));
      const F32 a = load_upto(x + i, left);
      const F32 b = load_upto(x + half + i, left);
      store_upto(out + i, left, sub(mul(a, c), mul(b, turn)));
      store_upto(out + half + i, left, add(mul(b, c), mul(a, turn)));
    }
    for (int64_t i = 2 * half; i < call.dim; ++i) out[i] = x[i];
  }
}

template <class Activation>
void gate(const float* gates, const float* up, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, mul(Activation::of(load(gates + i)), load(up + i)));
  if (i < n) {
    const F32 last = mul(Activation::of(load_first(gates + i, n - i)), load_first(up + i, n - i));
    store_first(out + i, n - i, last);
  }
}

// Gradients of activation(gate) * up: through both, given that of the result; and the result, where out is not null.
template <class Activation>
void gate_vjp(const float* gates, const float* up, const float* dy, int64_t n, float* d_gates, float* d_up,
              float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t count = n - i < 16 ? n - i : 16;
    const ValueAndSlope at = Activation::with_slope(load_first(gates + i, count));
    const F32 g = load_first(dy + i, count);
    const F32 u = load_first(up + i, count);
    store_first(d_gates + i, count, mul(mul(g, u), at.slope));
    store_first(d_up + i, count, mul(g, at.value));
    if (out) store_first(out + i, count, mul(at.value, u));
  }
}

float exp_shifted(const float* x, float shift, int64_t n, float* out) {
  F32 sum = zero();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F32 e = exp_normal(sub(load(x + i), set1(shift)));
    store(out + i, e);
    sum = add(sum, e);
  }
  if (i < n) {
    store_first(out + i, n - i, exp_normal(sub(load_first(x + i, n - i), set1(shift))));
    sum = add(sum, load_first(out + i, n - i));
  }
  return reduce_add(sum);
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
