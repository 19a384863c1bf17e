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
    float* sum = sum_.defined() ? sum_.data<float>() : nullptr;
    for (size_t at = 0; at < blocks_.size(); ++at) sum[static_cast<int64_t>(at) % dim_] += blocks_[at];
    return sum_;
  }

 private:
  int64_t dim_;
  Tensor sum_;
  std::vector<float> blocks_;
};

// Calls body(row, block) for all rows, those of a block in order on one thread.
template <class Body>
void for_blocks(Context& ctx, int64_t rows, int64_t work_per_row, const Body& body) {
  ctx.for_rows((rows + kGradRows - 1) / kGradRows, kGradRows * work_per_row, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      for (int64_t r = block * kGradRows; r < std::min(rows, (block + 1) * kGradRows); ++r) body(r, block);
    }
  });
}

// With n = x * s, s = 1 / rms:  dx = s * (g - n * mean(g * n)), g = dy * (w + offset);  dw = sum over rows of dy * n.
std::vector<Tensor> rms_norm_vjp(Context& ctx, const Tensor& x, const Tensor& weight, float eps, float offset,
                                 const Tensor& dy) {
  const OpTimer timer(ctx, "norm back");
  const int64_t dim = x.dim(-1);
  const int64_t rows = x.elements() / dim;
  Tensor dx = wants_grad(x) ? ctx.empty(x.shape()) : Tensor();
  VectorGrad dw(ctx, weight, rows);
  const float* w = weight.data<float>();
  for_blocks(ctx, rows, 8 * dim, [&](int64_t r, int64_t block) {
    const float* xr = x.data<float>() + r * dim;
    const float* dyr = dy.data<float>() + r * dim;
    const float scale = inverse_rms(xr, dim, eps);
    double dot = 0;
    for (int64_t i = 0; i < dim; ++i) dot += double{dyr[i]} * (w[i] + offset) * (xr[i] * scale);
    if (float* sum = dw.of_block(block)) {
      for (int64_t i = 0; i < dim; ++i) sum[i] += dyr[i] * (xr[i] * scale);
    }
    if (!dx.defined()) return;
    const auto mean = static_cast<float>(dot / static_cast<double>(dim));
    float* dxr = dx.data<float>() + r * dim;
    for (int64_t i = 0; i < dim; ++i) dxr[i] = scale * (dyr[i] * (w[i] + offset) - xr[i] * scale * mean);
  });
  return {dx, dw.total()};
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
  const OpTimer timer(ctx, "norm back");
  const int64_t dim = x.dim(-1);
  const int64_t rows = x.elements() / dim;
  Tensor dx = wants_grad(x) ? ctx.empty(x.shape()) : Tensor();
  VectorGrad dw(ctx, weight, rows);
  VectorGrad db(ctx, bias, rows);
  const float* w = weight.data<float>();
  for_blocks(ctx, rows, 12 * dim, [&](int64_t r, int64_t block) {
    const float* xr = x.data<float>() + r * dim;
    const float* dyr = dy.data<float>() + r * dim;
    const Moments m = moments_of(xr, dim, eps);
    double sum_g = 0;
    double sum_gn = 0;
    float* weight_sum = dw.of_block(block);
    float* bias_sum = db.of_block(block);
    for (int64_t i = 0; i < dim; ++i) {
      const float n = (xr[i] - m.mean) * m.inverse_deviation;
      const float g = dyr[i] * w[i];
      sum_g += g;
      sum_gn += double{g} * n;
      if (weight_sum) weight_sum[i] += dyr[i] * n;
      if (bias_sum) bias_sum[i] += dyr[i];
    }
    if (!dx.defined()) return;
    const auto mean_g = static_cast<float>(sum_g / static_cast<double>(dim));
    const auto mean_gn = static_cast<float>(sum_gn / static_cast<double>(dim));
    float* dxr = dx.data<float>() + r * dim;
    for (int64_t i = 0; i < dim; ++i) {
      const float n = (xr[i] - m.mean) * m.inverse_deviation;
      dxr[i] = m.inverse_deviation * (dyr[i] * w[i] - mean_g - n * mean_gn);
    }
  });
  return {dx, dw.total(), db.total()};
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
