#include "ops/norm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

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

// Gradients of vectors that every row has a part in: summed over kGradRows rows at a time, on the pool, and then in
// the order of those blocks.
constexpr int64_t kGradRows = 64;

class VectorGrad {
 public:
  VectorGrad(Context& ctx, const Tensor& vector, int64_t rows) : dim_(vector.defined() ? vector.dim(0) : 0) {
    if (!wants_grad(vector)) return;
    sum_ = ctx.zeros(vector.shape());
    blocks_.resize(static_cast<size_t>((rows + kGradRows - 1) / kGradRows * dim_));
  }
  // Null where nobody asks.
  float* of_block(int64_t block) { return blocks_.empty() ? nullptr : blocks_.data() + block * dim_; }
  Tensor total() {
    if (!sum_.raw()) return sum_;
    float* sum = sum_.data<float>();
    for (size_t at = 0; at < blocks_.size(); ++at) sum[static_cast<int64_t>(at) % dim_] += blocks_[at];
    return sum_;
  }

 private:
  int64_t dim_;
  Tensor sum_;
  std::vector<float> blocks_;
};

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

void layer_norm_reference(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t dim,
                          float* out) {
  for (int64_t r = 0; r < rows; ++r, x += dim, out += dim) {
    const Moments m = moments_of(x, dim, eps);
    for (int64_t i = 0; i < dim; ++i) {
      out[i] = (x[i] - m.mean) * m.inverse_deviation * weight[i] + (bias ? bias[i] : 0.0f);
    }
  }
}

// With g = dy * (weight + offset):  dx = s * (g - mean(g) - n * mean(g * n)), s the inverse deviation, without mean(g)
// where the norm does not centre;  dweight = sum over rows of dy * n;  dbias = sum of dy.
void norm_vjp_reference(const NormVjpCall& call) {
  const int64_t dim = call.dim;
  for (int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.x + r * dim;
    const float* dy = call.dy + r * dim;
    const Moments m = call.centred ? moments_of(x, dim, call.eps) : Moments{0, inverse_rms(x, dim, call.eps)};
    double sum_g = 0;
    double sum_gn = 0;
    for (int64_t i = 0; i < dim; ++i) {
      const float n = (x[i] - m.mean) * m.inverse_deviation;
      const float g = dy[i] * (call.weight[i] + call.offset);
      sum_g += g;
      sum_gn += double{g} * n;
      if (call.dweight) call.dweight[i] += dy[i] * n;
      if (call.dbias) call.dbias[i] += dy[i];
    }
    if (!call.dx) continue;
    const float mean_g = call.centred ? static_cast<float>(sum_g / static_cast<double>(dim)) : 0.0f;
    const auto mean_gn = static_cast<float>(sum_gn / static_cast<double>(dim));
    float* dx = call.dx + r * dim;
    for (int64_t i = 0; i < dim; ++i) {
      const float n = (x[i] - m.mean) * m.inverse_deviation;
      dx[i] = m.inverse_deviation * (dy[i] * (call.weight[i] + call.offset) - mean_g - n * mean_gn);
    }
  }
}

// The gradients of x, weight and bias (undefined where nobody asks). `call`: what they have in common.
std::vector<Tensor> norm_vjp(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& dy,
                             const NormVjpCall& call) {
  const OpTimer timer(ctx, "norm back");
  const int64_t dim = x.dim(-1);
  const int64_t rows = x.elements() / dim;
  Tensor dx = wants_grad(x) ? ctx.empty(x.shape()) : Tensor();
  VectorGrad dweight(ctx, weight, rows);
  VectorGrad dbias(ctx, bias, rows);
  if (ctx.meta()) return {dx, dweight.total(), dbias.total()};
  const auto run = ctx.kernels().norm_vjp ? ctx.kernels().norm_vjp : norm_vjp_reference;
  ctx.for_rows((rows + kGradRows - 1) / kGradRows, kGradRows * 12 * dim, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t at = block * kGradRows;
      NormVjpCall part = call;
      part.x = x.data<float>() + at * dim;
      part.weight = weight.data<float>();
      part.dy = dy.data<float>() + at * dim;
      part.rows = std::min(kGradRows, rows - at);
      part.dim = dim;
      part.dx = dx.defined() ? dx.data<float>() + at * dim : nullptr;
      part.dweight = dweight.of_block(block);
      part.dbias = dbias.of_block(block);
      run(part);
    }
  });
  return {dx, dweight.total(), dbias.total()};
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
    std::vector<Tensor> grads = norm_vjp(back, x, weight, Tensor(), dy[0], {.offset = weight_offset, .eps = eps});
    grads.pop_back();
    return grads;
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
    const auto run = ctx.kernels().layer_norm ? ctx.kernels().layer_norm : layer_norm_reference;
    ctx.for_rows(x.elements() / dim, 2 * dim, [&](int64_t begin, int64_t end) {
      run(x.data<float>() + begin * dim, weight.data<float>(), bias.defined() ? bias.data<float>() : nullptr, eps,
          end - begin, dim, out.data<float>() + begin * dim);
    });
  }
  ctx.record({x, weight, bias}, {&out}, [=](Context& back, std::span<const Tensor> dy) {
    return norm_vjp(back, x, weight, bias, dy[0], {.eps = eps, .centred = true});
  });
  return out;
}

}  // namespace linnet::ops
