#include "ops/activation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "ops/kept_numbers.hpp"
#include "ops/map_numbers.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

constexpr float kSqrt2OverPi = 0.7978845608028654f;
constexpr float kGeluCubic = 0.044715f;

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

}  // namespace

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

GateKernel gate_kernel(const KernelTable& kernels, Activation activation) {
  if (activation == Activation::kSilu) return kernels.silu_mul;
  if (activation == Activation::kGelu) return kernels.gelu_mul;
  if (activation == Activation::kGeluTanh) return kernels.gelu_tanh_mul;
  return nullptr;
}

GateVjpKernel gate_vjp_kernel(const KernelTable& kernels, Activation activation) {
  if (activation == Activation::kSilu) return kernels.silu_mul_vjp;
  if (activation == Activation::kGelu) return kernels.gelu_mul_vjp;
  if (activation == Activation::kGeluTanh) return kernels.gelu_tanh_mul_vjp;
  return nullptr;
}

void gate_numbers(const KernelTable& kernels, Activation activation, const float* gate, const float* up, int64_t n,
                  float* out) {
  if (const GateKernel kernel = gate_kernel(kernels, activation)) return kernel(gate, up, n, out);
  for (int64_t i = 0; i < n; ++i) out[i] = activate_scalar(activation, gate[i]) * up[i];
}

void gate_numbers_vjp(const KernelTable& kernels, Activation activation, const GateNumbers& at, int64_t n,
                      float* d_gate, float* d_up, float* out) {
  const auto& [gate, up, dy] = at;
  if (const auto kernel = gate_vjp_kernel(kernels, activation)) return kernel(gate, up, dy, n, d_gate, d_up, out);
  for (int64_t i = 0; i < n; ++i) {
    const float d = dy[i];
    const float value = activate_scalar(activation, gate[i]);
    d_gate[i] = d * up[i] * activate_scalar_grad(activation, gate[i]);
    d_up[i] = d * value;
    if (out) out[i] = value * up[i];
  }
}

namespace {

// An activation alone is a gate in front of ones: calls body(begin, count, ones) for pieces of [begin, end).
constexpr int64_t kOnes = 512;
using Ones = std::array<float, kOnes>;
template <class Body>
void by_ones(int64_t begin, int64_t end, const Body& body) {
  Ones ones;
  ones.fill(1.0f);
  for (int64_t i = begin; i < end; i += kOnes) body(i, std::min(kOnes, end - i), ones);
}

}  // namespace

void activate_numbers(const KernelTable& kernels, Activation activation, const float* x, int64_t n, float* out) {
  if (const auto kernel = gate_kernel(kernels, activation)) {
    return by_ones(0, n,
                   [&](int64_t i, int64_t count, const Ones& ones) { kernel(x + i, ones.data(), count, out + i); });
  }
  for (int64_t i = 0; i < n; ++i) out[i] = activate_scalar(activation, x[i]);
}

void activate_numbers_vjp(const KernelTable& kernels, Activation activation, const float* x, int64_t n, const float* dy,
                          float* dx, float* out) {
  if (const auto kernel = gate_vjp_kernel(kernels, activation)) {
    return by_ones(0, n, [&](int64_t i, int64_t count, const Ones& ones) {
      Ones unused;  // the gradient of the ones
      kernel(x + i, ones.data(), dy + i, count, dx + i, unused.data(), out ? out + i : nullptr);
    });
  }
  for (int64_t i = 0; i < n; ++i) {
    const float d = dy[i];
    dx[i] = d * activate_scalar_grad(activation, x[i]);
    if (out) out[i] = activate_scalar(activation, x[i]);
  }
}

namespace {

std::vector<Tensor> gated_vjp(Context& ctx, Activation activation, const KeptNumbers& kept, const Tensor& dy) {
  const float* d = dy.data<float>();
  const OpTimer timer(ctx, "gate back");
  Tensor d_gate = ctx.empty(dy.shape());
  Tensor d_up = ctx.empty(dy.shape());
  if (ctx.meta()) return {d_gate, d_up};
  float* dg = d_gate.data<float>();
  float* du = d_up.data<float>();
  const bool fast = gate_vjp_kernel(ctx.kernels(), activation) != nullptr;
  ctx.for_rows(dy.elements(), fast ? kCheap : kTranscendental, [&](int64_t first, int64_t last) {
    kept.visit(first, last, [&](int64_t begin, int64_t n, const float* g, const float* u) {
      gate_numbers_vjp(ctx.kernels(), activation, {g, u, d + begin}, n, dg + begin, du + begin, nullptr);
    });
  });
  return {d_gate, d_up};
}

// x as the way back wants it. Its numbers are visited by units: one of each half where they are rounded, else one.
class KeptInput {
 public:
  KeptInput(Context& ctx, const Tensor& x) : units_(x.elements()) {
    if (KeptNumbers::narrows(ctx) && units_ % 2 == 0) {
      halves_.emplace(ctx, units_ /= 2);
    } else {
      whole_ = x;
    }
  }

  int64_t units() const { return units_; }

  // Units [begin, end) of x, and then body(at, count, numbers) for pieces of them as they are kept.
  template <class Body>
  void keep(const float* x, int64_t begin, int64_t end, const Body& body) {
    if (!halves_) return body(begin, end - begin, x + begin);
    halves_->keep(x + begin, x + units_ + begin, begin, end - begin,
                  [&](int64_t at, int64_t count, const float* first, const float* second) {
                    body(at, count, first);
                    body(units_ + at, count, second);
                  });
  }
  template <class Body>
  void visit(int64_t begin, int64_t end, const Body& body) const {
    if (!halves_) return body(begin, end - begin, whole_.data<float>() + begin);
    halves_->visit(begin, end, [&](int64_t at, int64_t count, const float* first, const float* second) {
      body(at, count, first);
      body(units_ + at, count, second);
    });
  }

 private:
  int64_t units_;
  std::optional<KeptNumbers> halves_;
  Tensor whole_;
};

Tensor activate_vjp(Context& ctx, Activation activation, const KeptInput& kept, const Tensor& dy) {
  const OpTimer timer(ctx, "activate back");
  Tensor dx = ctx.empty(dy.shape());
  if (ctx.meta()) return dx;
  const float* d = dy.data<float>();
  float* to = dx.data<float>();
  const bool fast = gate_vjp_kernel(ctx.kernels(), activation) != nullptr;
  ctx.for_rows(kept.units(), fast ? kCheap : kTranscendental, [&](int64_t begin, int64_t end) {
    kept.visit(begin, end, [&](int64_t at, int64_t n, const float* x) {
      activate_numbers_vjp(ctx.kernels(), activation, x, n, d + at, to + at, nullptr);
    });
  });
  return dx;
}

}  // namespace

Tensor activate(Context& ctx, Activation activation, const Tensor& x) {
  const OpTimer timer(ctx, "activate");
  Tensor out = ctx.empty(x.shape());
  std::optional<KeptInput> kept;
  if (ctx.recorder() && wants_grad(x)) kept.emplace(ctx, x);
  if (!ctx.meta()) {
    const bool fast = gate_kernel(ctx.kernels(), activation) != nullptr;
    const float* from = x.data<float>();
    float* to = out.data<float>();
    const auto activate_some = [&](int64_t at, int64_t n, const float* numbers) {
      activate_numbers(ctx.kernels(), activation, numbers, n, to + at);
    };
    ctx.for_rows(kept ? kept->units() : x.elements(), fast ? kCheap : kTranscendental, [&](int64_t begin, int64_t end) {
      if (!kept) return activate_some(begin, end - begin, from + begin);
      kept->keep(from, begin, end, activate_some);
    });
  }
  if (kept) {
    ctx.record({x}, {&out}, [activation, kept = *kept](Context& back, std::span<const Tensor> dy) {
      return std::vector<Tensor>{activate_vjp(back, activation, kept, dy[0])};
    });
  }
  return out;
}

Tensor gated(Context& ctx, Activation activation, const Tensor& gate, const Tensor& up) {
  const OpTimer timer(ctx, "gate");
  require_shape(gate.shape() == up.shape(), "gated", "up must be " + gate.shape().to_string(), up.shape());
  Tensor out = ctx.empty(gate.shape());
  std::optional<KeptNumbers> kept;
  if (ctx.recorder() && (wants_grad(gate) || wants_grad(up))) kept.emplace(KeptNumbers::of(ctx, gate, up));
  if (!ctx.meta()) {
    const bool fast = gate_kernel(ctx.kernels(), activation) != nullptr;
    const float* g = gate.data<float>();
    const float* u = up.data<float>();
    float* o = out.data<float>();
    ctx.for_rows(out.elements(), fast ? kCheap : kTranscendental, [&](int64_t begin, int64_t end) {
      if (!kept) return gate_numbers(ctx.kernels(), activation, g + begin, u + begin, end - begin, o + begin);
      // As they are kept: the way back then is that of what was computed.
      kept->keep(g + begin, u + begin, begin, end - begin,
                 [&](int64_t at, int64_t n, const float* first, const float* second) {
                   gate_numbers(ctx.kernels(), activation, first, second, n, o + at);
                 });
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
