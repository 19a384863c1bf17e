// Muon: the momentum of a matrix, made orthogonal by five Newton-Schulz iterations, is its step (Jordan et al. 2024,
// kellerjordan.github.io/posts/muon), as torch.optim.Muon computes it, there in bfloat16 and here in float32.
//
// Steps are scaled by 0.2 sqrt(max(O, C)) (Liu et al. 2025, arXiv:2502.16982), so that they are about as long as
// AdamW's and one learning rate serves both: embeddings, head, norms and biases are AdamW's.
#pragma once

#include "train/adamw.hpp"

namespace linnet {

class Muon final : public Optimizer {
 public:
  // Muon's are the parameters that are `hidden`; each of their numbers takes one float32 number of memory.
  Muon(std::vector<Parameter> parameters, const MuonConfig& config, const AdamWConfig& rest,
       uint64_t rounding_seed = 0);

  void step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale = 1) override;
  std::vector<State> state() const override;  // NAME.momentum, then AdamW's
  void set_steps(int64_t steps) override;

 private:
  void step_matrix(Context& ctx, size_t i, const Tensor& grad, float rate, float grad_scale);

  std::vector<Tensor> momentum_;  // for each parameter; undefined where it is AdamW's
  MuonConfig config_;
  AdamW rest_;
};

// The orthogonal matrix that is nearest to `matrix` (O, C), about: singular values come out between 0.7 and 1.2.
// Computed in ctx.compute().
Tensor newton_schulz(Context& ctx, const Tensor& matrix);

}  // namespace linnet
