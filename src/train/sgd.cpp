#include "train/sgd.hpp"

#include "base/check.hpp"

namespace linnet {

Sgd::Sgd(std::vector<Parameter> parameters, const SgdConfig& config, uint64_t rounding_seed)
    : Optimizer(std::move(parameters), rounding_seed), config_(config) {
  CHECK(config.momentum >= 0 && config.momentum < 1 && (!config.nesterov || config.momentum > 0));
  if (config.momentum == 0) return;
  for (const Parameter& parameter : parameters_) {
    momentum_.push_back(Tensor::zeros(DType::kF32, parameter.tensor->shape()));
  }
}

void Sgd::step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale) {
  CHECK(grads.size() == parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    CHECK(!grads[i].defined() || grads[i].shape() == parameters_[i].tensor->shape());
    const float* grad = grads[i].defined() ? grads[i].data<float>() : nullptr;
    float* momentum = momentum_.empty() ? nullptr : momentum_[i].data<float>();
    const float own_rate = rate * parameters_[i].rate;
    const float decay = parameters_[i].decays ? config_.weight_decay : 0.0f;
    update(ctx, i, [&](int64_t begin, int64_t end, float* x) {
      for (int64_t j = begin; j < end; ++j) {
        float& number = x[j - begin];
        float g = (grad ? grad[j] * grad_scale : 0.0f) + decay * number;
        if (momentum) {
          momentum[j] = config_.momentum * momentum[j] + g;
          g = config_.nesterov ? g + config_.momentum * momentum[j] : momentum[j];
        }
        number -= own_rate * g;
      }
    });
  }
  ++steps_;
}

std::vector<Optimizer::State> Sgd::state() const {
  std::vector<State> all;
  for (size_t i = 0; i < momentum_.size(); ++i) all.push_back({parameters_[i].name + ".momentum", momentum_[i]});
  return all;
}

}  // namespace linnet
