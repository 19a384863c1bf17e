#include "ops/norm.hpp"

#include <cmath>

#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

float inverse_rms(const float* x, int64_t dim, float eps) {
  double sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += double{x[i]} * x[i];
  return static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(dim) + eps));
}

void rms_norm_reference(const float* x, const float* weight, float offset, float eps, int64_t rows, int64_t dim,
                        float* out) {
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    const float scale = inverse_rms(x, dim, eps);
    for (int64_t i = 0; i < dim; ++i) out[i] = x[i] * scale * (weight[i] + offset);
  }
}

// With n = x * s, s = 1 / rms:  dx = s * (g - n * mean(g * n)), g = dy * (w + offset);  dw = sum over rows of dy * n.
std::vector<Tensor> rms_norm_vjp(Context& ctx, const Tensor& x, const Tensor& weight, float eps, float offset,
                                 const Tensor& dy) {
  const int64_t dim = x.dim(-1);
  const int64_t rows = x.elements() / dim;
  Tensor dx = wants_grad(x) ? ctx.empty(x.shape()) : Tensor();
  Tensor dw = wants_grad(weight) ? ctx.zeros(weight.shape()) : Tensor();
  const float* w = weight.data<float>();
  for (int64_t r = 0; r < rows; ++r) {
    const float* xr = x.data<float>() + r * dim;
    const float* dyr = dy.data<float>() + r * dim;
    const float scale = inverse_rms(xr, dim, eps);
    double dot = 0;
    for (int64_t i = 0; i < dim; ++i) {
      const float n = xr[i] * scale;
      dot += double{dyr[i]} * (w[i] + offset) * n;
      if (dw.defined()) dw.data<float>()[i] += dyr[i] * n;
    }
    const auto mean = static_cast<float>(dot / static_cast<double>(dim));
    if (!dx.defined()) continue;
    float* dxr = dx.data<float>() + r * dim;
    for (int64_t i = 0; i < dim; ++i) dxr[i] = scale * (dyr[i] * (w[i] + offset) - xr[i] * scale * mean);
  }
  return {dx, dw};
}

struct Moments {
  float mean;
  float inverse_deviation;
};

Moments moments_of(const float* x, int64_t dim, float eps) {
  double sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(dim);
  double squares = 0;
  for (int64_t i = 0; i < dim; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {static_cast<float>(mean), static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(dim) + eps))};
}

// With n = (x - mean) * s, g = dy * w:  dx = s * (g - mean(g) - n * mean(g * n));  dw = Σ dy * n;  db = Σ dy.
std::vector<Tensor> layer_norm_vjp(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias, float eps,
                                   const Tensor& dy) {
  const int64_t dim = x.dim(-1);
  const int64_t rows = x.elements() / dim;
  Tensor dx = wants_grad(x) ? ctx.empty(x.shape()) : Tensor();
  Tensor dw = wants_grad(weight) ? ctx.zeros(weight.shape()) : Tensor();
  Tensor db = wants_grad(bias) ? ctx.zeros(bias.shape()) : Tensor();
  const float* w = weight.data<float>();
  for (int64_t r = 0; r < rows; ++r) {
    const float* xr = x.data<float>() + r * dim;
    const float* dyr = dy.data<float>() + r * dim;
    const Moments m = moments_of(xr, dim, eps);
    double sum_g = 0;
    double sum_gn = 0;
    for (int64_t i = 0; i < dim; ++i) {
      const float n = (xr[i] - m.mean) * m.inverse_deviation;
      const float g = dyr[i] * w[i];
      sum_g += g;
      sum_gn += double{g} * n;
      if (dw.defined()) dw.data<float>()[i] += dyr[i] * n;
      if (db.defined()) db.data<float>()[i] += dyr[i];
    }
    if (!dx.defined()) continue;
    const auto mean_g = static_cast<float>(sum_g / static_cast<double>(dim));
    const auto mean_gn = static_cast<float>(sum_gn / static_cast<double>(dim));
    for (int64_t i = 0; i < dim; ++i) {
      const float n = (xr[i] - m.mean) * m.inverse_deviation;
      dx.data<float>()[r * dim + i] = m.inverse_deviation * (dyr[i] * w[i] - mean_g - n * mean_gn);
    }
  }
  return {dx, dw, db};
}

}  // namespace

Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& weight, float eps, float weight_offset) {
  const OpTimer timer(ctx, "norm");
  const int64_t dim = x.dim(-1);
  require_shape(weight.shape() == Shape{dim}, "rms_norm", "weight must be (C=" + std::to_string(dim) + ")",
                weight.shape());
  Tensor out = ctx.empty(x.shape());
  if (!ctx.meta()) {
    const auto run = ctx.kernels().rms_norm ? ctx.kernels().rms_norm : rms_norm_reference;
    ctx.for_rows(x.elements() / dim, dim, [&](int64_t begin, int64_t end) {
      run(x.data<float>() + begin * dim, weight.data<float>(), weight_offset, eps, end - begin, dim,
          out.data<float>() + begin * dim);
    });
  }
  ctx.record({x, weight}, {&out}, [=](Context& back, std::span<const Tensor> dy) {
    return rms_norm_vjp(back, x, weight, eps, weight_offset, dy[0]);
  });
  return out;
}

Tensor layer_norm(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias, float eps) {
  const OpTimer timer(ctx, "norm");
  const int64_t dim = x.dim(-1);
  require_shape(weight.shape() == Shape{dim}, "layer_norm", "weight must be (C=" + std::to_string(dim) + ")",
                weight.shape());
  Tensor out = ctx.empty(x.shape());
  if (!ctx.meta()) {
    const float* w = weight.data<float>();
    const float* b = bias.defined() ? bias.data<float>() : nullptr;
    ctx.for_rows(x.elements() / dim, 2 * dim, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* xr = x.data<float>() + r * dim;
        float* yr = out.data<float>() + r * dim;
        const Moments m = moments_of(xr, dim, eps);
        for (int64_t i = 0; i < dim; ++i) yr[i] = (xr[i] - m.mean) * m.inverse_deviation * w[i] + (b ? b[i] : 0.0f);
      }
    });
  }
  ctx.record({x, weight, bias}, {&out}, [=](Context& back, std::span<const Tensor> dy) {
    return layer_norm_vjp(back, x, weight, bias, eps, dy[0]);
  });
  return out;
}

}  // namespace linnet::ops
