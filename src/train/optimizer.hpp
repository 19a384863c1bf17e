// What makes steps of gradients. Each has a file of its own: adamw.cpp, muon.cpp, sgd.cpp.
//
// A step's result hangs on parameters, gradients and settings alone: the same bits on any number of threads. It is
// computed in float32; parameters that are held in bfloat16 are then rounded stochastically, by seed
// (train/stochastic_rounding.hpp).
// Thread safety: one step at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/context.hpp"
#include "train/parameters.hpp"

namespace linnet {

struct AdamWConfig {
  float beta1 = 0.9f;  // in [0, 1)
  float beta2 = 0.999f;
  float eps = 1e-8f;  // > 0
  float weight_decay = 0;
};

struct MuonConfig {
  float momentum = 0.95f;  // in [0, 1); Nesterov's
  float weight_decay = 0.1f;
};

struct SgdConfig {
  float momentum = 0.9f;  // in [0, 1); 0: none is kept
  bool nesterov = false;
  float weight_decay = 0;  // coupled: added to the gradient, as PyTorch's SGD has it
};

inline constexpr int64_t kOptimizerChunk = 1 << 14;  // numbers of a task, or of a partial sum

enum class OptimizerKind : uint8_t {
  kAdamW,  // decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)
  kMuon,   // of the matrices inside of layers; AdamW of everything else
  kSgd,
};

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kAdamW;
  AdamWConfig adamw = {};
  MuonConfig muon = {};
  SgdConfig sgd = {};
  uint64_t rounding_seed = 0;  // of parameters in bfloat16
};

class Optimizer {
 public:
  Optimizer(std::vector<Parameter> parameters, uint64_t rounding_seed)
      : parameters_(std::move(parameters)), rounding_seed_(rounding_seed) {}
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step at learning rate `rate`. grads: one for each parameter, times `grad_scale`; an undefined one is zero.
  virtual void step(Context& ctx, std::span<const Tensor> grads, float rate, float grad_scale = 1) = 0;

  // What a checkpoint holds besides the parameters and steps(): tensors in use, named after their parameter.
  struct State {
    std::string name;
    Tensor tensor;
  };
  virtual std::vector<State> state() const = 0;

  virtual void set_steps(int64_t steps) { steps_ = steps; }
  int64_t steps() const { return steps_; }
  std::span<const Parameter> parameters() const { return parameters_; }

 protected:
  // Calls change(begin, end, x) for pieces of parameter `i`, on several threads: x are its numbers [begin, end), which
  // it changes. Once for each number and steps().
  void update(Context& ctx, size_t i, const std::function<void(int64_t begin, int64_t end, float* x)>& change);

  std::vector<Parameter> parameters_;
  int64_t steps_ = 0;

 private:
  uint64_t rounding_seed_;
};

std::unique_ptr<Optimizer> make_optimizer(std::vector<Parameter> parameters, const OptimizerConfig& config);

// The Euclidean norm of all gradients together; undefined ones are zero. NaN or infinite where one number is.
double global_norm(ThreadPool& pool, std::span<const Tensor> grads);

// What gradients of this norm are multiplied by so that their norm is at most `most` (> 0), as PyTorch's
// clip_grad_norm_ does.
float clip_scale(double norm, double most);

}  // namespace linnet
