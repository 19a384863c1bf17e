#include "ops/elementwise.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

constexpr float kSqrt2OverPi = 0.7978845608028654f;
constexpr float kGeluCubic = 0.044715f;

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

// out[i] = f(i) over all numbers, on the pool.
template <class F>
Tensor map_numbers(Context& ctx, const Shape& shape, int64_t work, const F& f) {
  Tensor out = ctx.empty(shape);
  if (ctx.meta()) return out;
  float* o = out.data<float>();
  ctx.for_rows(out.elements(), work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) o[i] = f(i);
  });
  return out;
}

// out[r * dim + i] = f(r * dim + i, i) over all rows of (..., C) numbers, on the pool.
template <class F>
Tensor map_rows(Context& ctx, const Shape& shape, const F& f) {
  Tensor out = ctx.empty(shape);
  if (ctx.meta()) return out;
  float* o = out.data<float>();
  const int64_t dim = shape[-1];
  ctx.for_rows(out.elements() / dim, dim, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t i = 0; i < dim; ++i) o[r * dim + i] = f(r * dim + i, i);
    }
  });
  return out;
}

// Sums over all rows of (..., C) numbers, of which f(i) is number i -> (C). Some rows at a time, on the pool, and then
// these sums in their order.
template <class F>
Tensor sum_rows(Context& ctx, int64_t elements, const Shape& shape, const F& f) {
  constexpr int64_t kRows = 256;
  Tensor sum = ctx.zeros(shape);
  if (ctx.meta()) return sum;
  const int64_t dim = shape[-1];
  const int64_t rows = elements / dim;
  const int64_t blocks = (rows + kRows - 1) / kRows;
  std::vector<float> parts(static_cast<size_t>(blocks * dim));
  ctx.for_rows(blocks, kRows * dim, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      float* part = parts.data() + block * dim;
      for (int64_t r = block * kRows; r < std::min((block + 1) * kRows, rows); ++r) {
        for (int64_t i = 0; i < dim; ++i) part[i] += f(r * dim + i);
      }
    }
  });
  float* s = sum.data<float>();
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t i = 0; i < dim; ++i) s[i] += parts[static_cast<size_t>(block * dim + i)];
  }
  return sum;
}

constexpr int64_t kCheap = 1;
constexpr int64_t kTranscendental = 16;

// out = x + y, where y is as x or a row of it.
void add_numbers(Context& ctx, const Tensor& x, const Tensor& y, Tensor& out) {
  if (ctx.meta()) return;
  const int64_t dim = y.elements();
  const float* px = x.data<float>();
  const float* py = y.data<float>();
  float* to = out.data<float>();
  const auto kernel = ctx.kernels().add;
  const auto add_piece = [&](int64_t at, int64_t in_y, int64_t n) {
    if (kernel) return kernel(px + at, py + in_y, n, to + at);
    for (int64_t i = 0; i < n; ++i) to[at + i] = px[at + i] + py[in_y + i];
  };
  if (dim == x.elements()) {
    ctx.for_rows(dim, kCheap, [&](int64_t begin, int64_t end) { add_piece(begin, begin, end - begin); });
  } else {
    ctx.for_rows(x.elements() / dim, dim, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) add_piece(row * dim, 0, dim);
    });
  }
}

// (..., C) -> (C): see sum_rows().
Tensor sum_to_row(Context& ctx, const Tensor& x, const Shape& shape) {
  return sum_rows(ctx, x.elements(), shape, [from = x.data<float>()](int64_t i) { return from[i]; });
}

// Records out = x + y, whose vjp needs no numbers of either.
void record_sum(Context& ctx, const Tensor& x, const Tensor& y, Tensor& out) {
  const auto grad_of = [&](const Tensor& term) {
    return [wanted = wants_grad(term), is_row = term.shape() != out.shape(), shape = term.shape()](Context& back,
                                                                                                   const Tensor& dy) {
      if (!wanted) return Tensor();
      return is_row ? sum_to_row(back, dy, shape) : dy;
    };
  };
  const auto of_x = grad_of(x);
  const auto of_y = grad_of(y);
  ctx.record({x, y}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {of_x(back, dy[0]), of_y(back, dy[0])};
  });
}

void require_terms(const Tensor& whole, const Tensor& term) {
  require_shape(term.shape() == whole.shape() || term.shape() == Shape{whole.dim(-1)}, "add",
                "must be " + whole.shape().to_string() + " or a row of it", term.shape());
}

}  // namespace

Tensor add(Context& ctx, const Tensor& x, const Tensor& y) {
  const OpTimer timer(ctx, "add");
  require_terms(x, y);
  Tensor out = ctx.empty(x.shape());
  add_numbers(ctx, x, y, out);
  record_sum(ctx, x, y, out);
  return out;
}

Tensor add_to(Context& ctx, const Tensor& x, Tensor y) {
  if (!y.unique()) return x.shape() == y.shape() ? add(ctx, x, y) : add(ctx, y, x);
  const OpTimer timer(ctx, "add");
  require_terms(y, x);
  add_numbers(ctx, y, x, y);
  Tensor sum = y;
  sum.set_grad_id(Tensor::kNoGrad);
  record_sum(ctx, x, y, sum);
  return sum;
}

Tensor scale(Context& ctx, const Tensor& x, float factor) {
  const OpTimer timer(ctx, "scale");
  Tensor out = map_numbers(ctx, x.shape(), kCheap, [&x, factor](int64_t i) { return x.data<float>()[i] * factor; });
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    const Tensor& g = dy[0];
    return {map_numbers(back, g.shape(), kCheap, [&g, factor](int64_t i) { return g.data<float>()[i] * factor; })};
  });
  return out;
}

namespace {

Tensor multiply_columns(Context& ctx, const Tensor& x, const Tensor& factors) {
  const auto* px = reinterpret_cast<const float*>(x.raw());
  const auto* pf = reinterpret_cast<const float*>(factors.raw());
  return map_rows(ctx, x.shape(), [px, pf](int64_t at, int64_t i) { return px[at] * pf[i]; });
}

}  // namespace

Tensor scale_columns(Context& ctx, const Tensor& x, const Tensor& factors) {
  const OpTimer timer(ctx, "scale_columns");
  require_shape(factors.shape() == Shape{x.dim(-1)}, "scale_columns",
                "factors must be (C=" + std::to_string(x.dim(-1)) + ")", factors.shape());
  Tensor out = multiply_columns(ctx, x, factors);
  ctx.record({x, factors}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    Tensor dx;
    Tensor dfactors;
    if (wants_grad(x)) dx = multiply_columns(back, dy[0], factors);
    if (wants_grad(factors)) {
      dfactors = sum_rows(back, x.elements(), factors.shape(),
                          [d = dy[0].data<float>(), px = x.data<float>()](int64_t i) { return d[i] * px[i]; });
    }
    return {dx, dfactors};
  });
  return out;
}

Tensor softcap(Context& ctx, const Tensor& x, float cap) {
  const OpTimer timer(ctx, "softcap");
  Tensor out = map_numbers(ctx, x.shape(), kTranscendental,
                           [&x, cap](int64_t i) { return cap * std::tanh(x.data<float>()[i] / cap); });
  const Tensor y = out;
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {map_numbers(back, y.shape(), kCheap, [&, g = dy[0]](int64_t i) {
      const float t = y.data<float>()[i] / cap;
      return g.data<float>()[i] * (1 - t * t);
    })};
  });
  return out;
}

float activate_scalar(Activation activation, float x) {
  switch (activation) {
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kGelu:
      return 0.5f * x * (1 + std::erf(x * static_cast<float>(std::numbers::sqrt2 / 2)));
    case Activation::kGeluTanh:
      return 0.5f * x * (1 + std::tanh(kSqrt2OverPi * (x + kGeluCubic * x * x * x)));
    case Activation::kRelu:
      return std::max(x, 0.0f);
  }
  return 0;
}

float activate_scalar_grad(Activation activation, float x) {
  switch (activation) {
    case Activation::kSilu: {
      const float s = sigmoid(x);
      return s * (1 + x * (1 - s));
    }
    case Activation::kGelu: {
      const float phi =
          std::exp(-0.5f * x * x) * static_cast<float>(0.5 * std::numbers::inv_sqrtpi * std::numbers::sqrt2);
      return 0.5f * (1 + std::erf(x * static_cast<float>(std::numbers::sqrt2 / 2))) + x * phi;
    }
    case Activation::kGeluTanh: {
      const float t = std::tanh(kSqrt2OverPi * (x + kGeluCubic * x * x * x));
      return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * kSqrt2OverPi * (1 + 3 * kGeluCubic * x * x);
    }
    case Activation::kRelu:
      return x > 0 ? 1.0f : 0.0f;
  }
  return 0;
}

float exp_shifted(const KernelTable& kernels, const float* x, float shift, int64_t n, float* out) {
  if (kernels.exp_shifted) return kernels.exp_shifted(x, shift, n, out);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += out[i] = std::exp(x[i] - shift);
  return static_cast<float>(sum);
}

float softmax(const KernelTable& kernels, float* x, int64_t n, float scale, float sink) {
  if (kernels.softmax) return kernels.softmax(x, n, scale, sink);
  float highest = sink;
  for (int64_t i = 0; i < n; ++i) highest = std::max(highest, x[i] *= scale);
  const float of_sink = std::exp(sink - highest);
  const float sum = of_sink + exp_shifted(kernels, x, highest, n, x);
  for (int64_t i = 0; i < n; ++i) x[i] /= sum;
  return of_sink / sum;
}

float softmax_vjp(const KernelTable& kernels, const float* p, int64_t n, float scale, float* dp) {
  if (kernels.softmax_vjp) return kernels.softmax_vjp(p, n, scale, dp);
  float mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += p[i] * dp[i];
  for (int64_t i = 0; i < n; ++i) dp[i] = scale * (p[i] * (dp[i] - mean));
  return mean;
}

GateKernel gate_kernel(const KernelTable& kernels, Activation activation) {
  if (activation == Activation::kSilu) return kernels.silu_mul;
  if (activation == Activation::kGeluTanh) return kernels.gelu_tanh_mul;
  return nullptr;
}

namespace {

auto gated_vjp_kernel(const KernelTable& kernels, Activation activation) {
  if (activation == Activation::kSilu) return kernels.silu_mul_vjp;
  if (activation == Activation::kGeluTanh) return kernels.gelu_tanh_mul_vjp;
  return decltype(kernels.silu_mul_vjp){nullptr};
}

// gate and up as the way back wants them: as they are, or rounded to pairs of bfloat16 where products are.
class KeptGate {
 public:
  KeptGate(Context& ctx, const Tensor& gate, const Tensor& up) : shape_(gate.shape()) {
    narrow_ = ctx.compute() == DType::kBF16 ? ctx.kernels().attention.to_pairs : nullptr;
    if (narrow_) {
      pairs_ = ctx.empty(DType::kI32, shape_);
    } else {
      gate_ = gate;
      up_ = up;
    }
  }

  const Shape& shape() const { return shape_; }

  // Keeps numbers [begin, end) of gate and up.
  void keep(const float* gate, const float* up, int64_t begin, int64_t end) {
    if (narrow_) narrow_(gate + begin, up + begin, end - begin, pairs() + begin);
  }

  // Calls body(begin, count, gate, up) for pieces of [begin, end).
  template <class Body>
  void visit(int64_t begin, int64_t end, const Body& body) const {
    if (!narrow_) return body(begin, end - begin, gate_.data<float>() + begin, up_.data<float>() + begin);
    constexpr int64_t kPiece = 1024;
    float gate[kPiece];
    float up[kPiece];
    for (int64_t at = begin; at < end; at += kPiece) {
      const int64_t count = std::min(kPiece, end - at);
      const auto* pairs = reinterpret_cast<const uint32_t*>(pairs_.data<int32_t>()) + at;
      for (int64_t i = 0; i < count; ++i) {
        gate[i] = std::bit_cast<float>(pairs[i] << 16);
        up[i] = std::bit_cast<float>(pairs[i] & 0xFFFF0000);
      }
      body(at, count, gate, up);
    }
  }

 private:
  uint32_t* pairs() { return reinterpret_cast<uint32_t*>(pairs_.data<int32_t>()); }

  Shape shape_;
  decltype(AttentionKernels::to_pairs) narrow_;
  Tensor pairs_;  // gate in the low halves
  Tensor gate_;
  Tensor up_;
};

std::vector<Tensor> gated_vjp(Context& ctx, Activation activation, const KeptGate& kept, const Tensor& dy) {
  const float* d = dy.data<float>();
  const OpTimer timer(ctx, "gate back");
  Tensor d_gate = ctx.empty(kept.shape());
  Tensor d_up = ctx.empty(kept.shape());
  if (ctx.meta()) return {d_gate, d_up};
  float* dg = d_gate.data<float>();
  float* du = d_up.data<float>();
  const auto kernel = gated_vjp_kernel(ctx.kernels(), activation);
  ctx.for_rows(dy.elements(), kernel ? kCheap : kTranscendental, [&](int64_t first, int64_t last) {
    kept.visit(first, last, [&](int64_t begin, int64_t n, const float* g, const float* u) {
      if (kernel) return kernel(g, u, d + begin, n, dg + begin, du + begin);
      for (int64_t i = 0; i < n; ++i) {
        dg[begin + i] = d[begin + i] * u[i] * activate_scalar_grad(activation, g[i]);
        du[begin + i] = d[begin + i] * activate_scalar(activation, g[i]);
      }
    });
  });
  return {d_gate, d_up};
}

// An activation alone is a gate in front of ones: calls body(begin, count, ones) for pieces of [begin, end).
constexpr int64_t kOnes = 512;
using Ones = std::array<float, kOnes>;
template <class Body>
void by_ones(int64_t begin, int64_t end, const Body& body) {
  Ones ones;
  ones.fill(1.0f);
  for (int64_t i = begin; i < end; i += kOnes) body(i, std::min(kOnes, end - i), ones);
}

Tensor activate_vjp(Context& ctx, Activation activation, const Tensor& x, const Tensor& dy) {
  const OpTimer timer(ctx, "activate back");
  Tensor dx = ctx.empty(x.shape());
  if (ctx.meta()) return dx;
  const float* from = x.data<float>();
  const float* d = dy.data<float>();
  float* to = dx.data<float>();
  const auto kernel = gated_vjp_kernel(ctx.kernels(), activation);
  ctx.for_rows(x.elements(), kernel ? kCheap : kTranscendental, [&](int64_t begin, int64_t end) {
    if (kernel) {
      return by_ones(begin, end, [&](int64_t i, int64_t n, const Ones& ones) {
        Ones unused;  // the gradient of the ones
        kernel(from + i, ones.data(), d + i, n, to + i, unused.data());
      });
    }
    for (int64_t i = begin; i < end; ++i) to[i] = d[i] * activate_scalar_grad(activation, from[i]);
  });
  return dx;
}

}  // namespace

Tensor activate(Context& ctx, Activation activation, const Tensor& x) {
  const OpTimer timer(ctx, "activate");
  Tensor out = ctx.empty(x.shape());
  if (!ctx.meta()) {
    const auto kernel = gate_kernel(ctx.kernels(), activation);
    const float* from = x.data<float>();
    float* to = out.data<float>();
    ctx.for_rows(x.elements(), kernel ? kCheap : kTranscendental, [&](int64_t begin, int64_t end) {
      if (kernel) {
        return by_ones(begin, end,
                       [&](int64_t i, int64_t n, const Ones& ones) { kernel(from + i, ones.data(), n, to + i); });
      }
      for (int64_t i = begin; i < end; ++i) to[i] = activate_scalar(activation, from[i]);
    });
  }
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {activate_vjp(back, activation, x, dy[0])};
  });
  return out;
}

Tensor gated(Context& ctx, Activation activation, const Tensor& gate, const Tensor& up) {
  const OpTimer timer(ctx, "gate");
  require_shape(gate.shape() == up.shape(), "gated", "up must be " + gate.shape().to_string(), up.shape());
  Tensor out = ctx.empty(gate.shape());
  std::optional<KeptGate> kept;
  if (ctx.recorder() && (wants_grad(gate) || wants_grad(up))) kept.emplace(ctx, gate, up);
  if (!ctx.meta()) {
    const auto kernel = gate_kernel(ctx.kernels(), activation);
    const float* g = gate.data<float>();
    const float* u = up.data<float>();
    float* o = out.data<float>();
    ctx.for_rows(out.elements(), kernel ? kCheap : kTranscendental, [&](int64_t first, int64_t last) {
      constexpr int64_t kPiece = 4096;  // which the first cache holds until it is kept
      for (int64_t begin = first; begin < last; begin += kPiece) {
        const int64_t end = std::min(begin + kPiece, last);
        if (kernel) kernel(g + begin, u + begin, end - begin, o + begin);
        for (int64_t i = begin; !kernel && i < end; ++i) o[i] = activate_scalar(activation, g[i]) * u[i];
        if (kept) kept->keep(g, u, begin, end);
      }
    });
  }
  if (kept) {
    ctx.record({gate, up}, {&out}, [activation, kept = *kept](Context& back, std::span<const Tensor> dy) {
      return gated_vjp(back, activation, kept, dy[0]);
    });
  }
  return out;
}

Tensor gated_clamped(Context& ctx, const Tensor& gate, const Tensor& up, float alpha, float limit) {
  const OpTimer timer(ctx, "gate");
  require_shape(gate.shape() == up.shape(), "gated_clamped", "up must be " + gate.shape().to_string(), up.shape());
  Tensor out = map_numbers(ctx, gate.shape(), kTranscendental, [&](int64_t i) {
    const float g = std::min(gate.data<float>()[i], limit);
    const float u = std::clamp(up.data<float>()[i], -limit, limit);
    return (u + 1) * g * sigmoid(alpha * g);
  });
  ctx.record({gate, up}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    const float* gp = gate.data<float>();
    const float* up_data = up.data<float>();
    const float* d = dy[0].data<float>();
    return {map_numbers(back, gate.shape(), kTranscendental,
                        [=](int64_t i) {
                          if (gp[i] > limit) return 0.0f;
                          const float s = sigmoid(alpha * gp[i]);
                          const float u = std::clamp(up_data[i], -limit, limit);
                          return d[i] * (u + 1) * s * (1 + alpha * gp[i] * (1 - s));
                        }),
            map_numbers(back, up.shape(), kTranscendental, [=](int64_t i) {
              if (std::abs(up_data[i]) > limit) return 0.0f;
              const float g = std::min(gp[i], limit);
              return d[i] * g * sigmoid(alpha * g);
            })};
  });
  return out;
}

}  // namespace linnet::ops
