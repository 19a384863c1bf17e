// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101), as PyTorch computes it.
#pragma once

#include "train/optimizer.hpp"

namespace linnet {

class AdamW final : public Optimizer {
 public:
  // Takes two float32 numbers of memory for each number of `parameters`.
  AdamW(std::vector<Parameter> parameters, const AdamWConfig& config, uint64_t rounding_seed = 0);

  void step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale = 1) override;
  std::vector<State> state() const override;  // NAME.mean and NAME.square

 private:
  struct Moments {
    Tensor mean;    // of the gradient, decayed by beta1
    Tensor square;  // of its square, decayed by beta2
  };
  std::vector<Moments> moments_;
  AdamWConfig config_;
};

}  // namespace linnet
