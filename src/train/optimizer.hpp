// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101), as PyTorch computes it.
//
// Every number is updated from itself alone, and sums run in an order that sizes alone decide: the same bits on any
// number of threads. Thread safety: one step at a time.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "train/parameters.hpp"

namespace linnet {

struct AdamWConfig {
  float beta1 = 0.9f;  // in [0, 1)
  float beta2 = 0.999f;
  float eps = 1e-8f;  // > 0
  float weight_decay = 0;
};

class AdamW {
 public:
  // Takes two float32 numbers of memory for each number of `parameters`.
  AdamW(std::vector<Parameter> parameters, const AdamWConfig& config);

  // One step at learning rate `rate`. grads: one for each parameter, times `grad_scale`; an undefined one is zero.
  void step(ThreadPool& pool, std::span<const Tensor> grads, float rate, float grad_scale = 1);

  // What a checkpoint holds besides the parameters: steps(), and the two moments of each.
  struct Moments {
    Tensor mean;    // of the gradient, decayed by beta1
    Tensor square;  // of its square, decayed by beta2
  };
  std::span<const Moments> moments() const { return moments_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  int64_t steps() const { return steps_; }
  std::span<const Parameter> parameters() const { return parameters_; }

 private:
  std::vector<Parameter> parameters_;
  std::vector<Moments> moments_;
  AdamWConfig config_;
  int64_t steps_ = 0;
};

// The Euclidean norm of all gradients together; undefined ones are zero. NaN or infinite where one number is.
double global_norm(ThreadPool& pool, std::span<const Tensor> grads);

// What gradients of this norm are multiplied by so that their norm is at most `most` (> 0), as PyTorch's
// clip_grad_norm_ does.
float clip_scale(double norm, double most);

}  // namespace linnet
