// Stochastic gradient descent with momentum (Sutskever et al. 2013), as torch.optim.SGD computes it.
#pragma once

#include "train/optimizer.hpp"

namespace linnet {

class Sgd final : public Optimizer {
 public:
  // With momentum it takes a float32 number of memory for each number of `parameters`.
  Sgd(std::vector<Parameter> parameters, const SgdConfig& config, uint64_t rounding_seed = 0);

  void step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale = 1) override;
  std::vector<State> state() const override;  // NAME.momentum

 private:
  std::vector<Tensor> momentum_;  // empty without
  SgdConfig config_;
};

}  // namespace linnet
