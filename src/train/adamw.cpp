#include "train/adamw.hpp"

#include <cmath>

#include "base/check.hpp"

namespace linnet {

namespace {

// The constants of one step.
struct Step {
  float beta1;
  float beta2;
  float keep;            // what weight decay leaves of a number
  float rate;            // over the first moment's correction for its start at zero
  float inverse_square;  // 1 / sqrt of the second moment's
  float eps;
  float grad_scale;
};

// grad: null for zero.
void update_numbers(const Step& s, const float* grad, int64_t n, float* mean, float* square, float* x) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = grad ? grad[i] * s.grad_scale : 0.0f;
    mean[i] += (g - mean[i]) * (1 - s.beta1);
    square[i] = square[i] * s.beta2 + g * g * (1 - s.beta2);
    x[i] = x[i] * s.keep - s.rate * mean[i] / (std::sqrt(square[i]) * s.inverse_square + s.eps);
  }
}

}  // namespace

AdamW::AdamW(std::vector<Parameter> parameters, const AdamWConfig& config, uint64_t rounding_seed)
    : Optimizer(std::move(parameters), rounding_seed), config_(config) {
  CHECK(config.beta1 >= 0 && config.beta1 < 1 && config.beta2 >= 0 && config.beta2 < 1 && config.eps > 0);
  for (const Parameter& parameter : parameters_) {
    const Shape& shape = parameter.tensor->shape();
    moments_.push_back({Tensor::zeros(DType::kF32, shape), Tensor::zeros(DType::kF32, shape)});
  }
}

void AdamW::step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale) {
  CHECK(grads.size() == parameters_.size());
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const double mean_correction = 1 - std::pow(double{config_.beta1}, t);
  const double square_correction = 1 - std::pow(double{config_.beta2}, t);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    CHECK(!grads[i].defined() || grads[i].shape() == parameters_[i].tensor->shape());
    const float own_rate = rate * parameters_[i].rate;
    const Step constants{.beta1 = config_.beta1,
                         .beta2 = config_.beta2,
                         .keep = 1 - (parameters_[i].decays ? own_rate * config_.weight_decay : 0.0f),
                         .rate = static_cast<float>(own_rate / mean_correction),
                         .inverse_square = static_cast<float>(1 / std::sqrt(square_correction)),
                         .eps = config_.eps,
                         .grad_scale = grad_scale};
    const float* grad = grads[i].defined() ? grads[i].data<float>() : nullptr;
    float* mean = moments_[i].mean.data<float>();
    float* square = moments_[i].square.data<float>();
    update(ctx, i, [&](int64_t begin, int64_t end, float* x) {
      update_numbers(constants, grad ? grad + begin : nullptr, end - begin, mean + begin, square + begin, x);
    });
  }
}

std::vector<Optimizer::State> AdamW::state() const {
  std::vector<State> all;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    all.push_back({parameters_[i].name + ".mean", moments_[i].mean});
    all.push_back({parameters_[i].name + ".square", moments_[i].square});
  }
  return all;
}

}  // namespace linnet
