#include "train/muon.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "ops/linear.hpp"

namespace linnet {

namespace {

std::vector<Parameter> not_hidden(const std::vector<Parameter>& parameters) {
  std::vector<Parameter> rest;
  std::copy_if(parameters.begin(), parameters.end(), std::back_inserter(rest),
               [](const Parameter& parameter) { return !parameter.hidden; });
  return rest;
}

// y = a · x + b · y, number by number.
void combine(ThreadPool& pool, float a, const Tensor& x, float b, Tensor& y) {
  const float* from = x.data<float>();
  float* to = y.data<float>();
  pool.parallel_for(y.elements(), kOptimizerChunk, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) to[i] = a * from[i] + b * to[i];
  });
}

}  // namespace

Tensor newton_schulz(Context& ctx, const Tensor& matrix) {
  // The iteration is x -> a x + b (x xᵀ) x + c (x xᵀ)² x; for the coefficients and the bound see the post.
  constexpr float kA = 3.4445f;
  constexpr float kB = -4.7750f;
  constexpr float kC = 2.0315f;
  constexpr int kIterations = 5;
  constexpr double kSmallest = 1e-7;
  const int64_t rows = matrix.dim(0);
  const int64_t cols = matrix.dim(1);
  const bool wide = rows <= cols;
  const int64_t side = std::min(rows, cols);
  const double norm = std::max(global_norm(ctx.pool(), std::span(&matrix, 1)), kSmallest);
  Tensor x = ctx.zeros(matrix.shape());
  combine(ctx.pool(), static_cast<float>(1 / norm), matrix, 0, x);
  for (int i = 0; i < kIterations; ++i) {
    // The smaller of x · xᵀ and xᵀ · x, (side, side): symmetric, so that it stands on either side alike.
    Tensor gram = ctx.empty({side, side});
    ops::multiply(ctx, {.m = side,
                        .n = side,
                        .k = std::max(rows, cols),
                        .a = x.data<float>(),
                        .a_transposed = !wide,
                        .b = x.data<float>(),
                        .b_transposed = wide,
                        .c = gram.data<float>()});
    Tensor change = ops::matmul(ctx, gram, gram);
    combine(ctx.pool(), kB, gram, kC, change);
    const Tensor moved = wide ? ops::matmul(ctx, change, x) : ops::matmul(ctx, x, change);
    combine(ctx.pool(), 1, moved, kA, x);
  }
  return x;
}

Muon::Muon(std::vector<Parameter> parameters, const MuonConfig& config, const AdamWConfig& rest, uint64_t rounding_seed)
    : Optimizer(std::move(parameters), rounding_seed),
      config_(config),
      rest_(not_hidden(parameters_), rest, rounding_seed) {
  CHECK(config.momentum >= 0 && config.momentum < 1);
  for (const Parameter& parameter : parameters_) {
    momentum_.push_back(parameter.hidden ? Tensor::zeros(DType::kF32, parameter.tensor->shape()) : Tensor());
  }
}

void Muon::step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale) {
  CHECK(grads.size() == parameters_.size());
  std::vector<Tensor> others;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].hidden) {
      others.push_back(grads[i]);
    } else if (grads[i].defined()) {
      step_matrix(ctx, i, grads[i], rate * parameters_[i].rate, grad_scale);
    }
  }
  rest_.step(ctx, others, rate, grad_scale);
  ++steps_;
}

void Muon::step_matrix(Context& ctx, size_t i, const Tensor& grad, float rate, float grad_scale) {
  const Shape& shape = parameters_[i].tensor->shape();
  CHECK(grad.shape() == shape);
  combine(ctx.pool(), (1 - config_.momentum) * grad_scale, grad, config_.momentum, momentum_[i]);
  Tensor ahead = momentum_[i].clone();  // Nesterov's: where the momentum will be
  combine(ctx.pool(), (1 - config_.momentum) * grad_scale, grad, config_.momentum, ahead);
  const Tensor direction = newton_schulz(ctx, ahead);
  const auto longest = static_cast<double>(std::max(shape[0], shape[1]));
  const auto scaled = static_cast<float>(rate * 0.2 * std::sqrt(longest));
  const float keep = parameters_[i].decays ? 1 - rate * config_.weight_decay : 1.0f;
  const float* step = direction.data<float>();
  update(ctx, i, [&](int64_t begin, int64_t end, float* x) {
    for (int64_t j = begin; j < end; ++j) x[j - begin] = -scaled * step[j] + keep * x[j - begin];
  });
}

std::vector<Optimizer::State> Muon::state() const {
  std::vector<State> all;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].hidden) all.push_back({parameters_[i].name + ".momentum", momentum_[i]});
  }
  for (State& state : rest_.state()) all.push_back(std::move(state));
  return all;
}

void Muon::set_steps(int64_t steps) {
  steps_ = steps;
  rest_.set_steps(steps);
}

}  // namespace linnet
