// Steps of training: losses, gradients, one optimiser step, and all of it in a file, to go on from.
//
// A step's result hangs on the parameters, the batches and the settings alone: the same bits on any number of threads,
// and after a restart from a checkpoint. What a step learns from is the caller's: a pure function of the step.
// Ownership: borrows the context. Thread safety: one step at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace linnet {

// A part of what a step makes smaller: (1), differentiable in the parameters while the context records.
using PartLoss = std::function<Result<Tensor>()>;

// The sum of all parts, and of their gradients in the order of `parameters` (undefined where nothing depends on one;
// empty where nothing depends on any). The parts' graphs stand one after the other in memory. On the meta device the
// loss is 0. Errors: those of a part.
struct Gradients {
  double loss = 0;
  std::vector<Tensor> sums = {};
};
Result<Gradients> sum_gradients(Context& ctx, std::span<const Parameter> parameters, std::span<const PartLoss> parts);

struct TrainerConfig {
  OptimizerConfig optimizer;
  Schedule schedule;
  double clip_norm = 1;  // of all gradients together; > 0
};

struct StepReport {
  int64_t step = 0;  // counts from 0
  double loss = 0;   // the sum of the parts, before the step
  double norm = 0;   // of the gradients, before clipping
  float rate = 0;
  bool diverged = false;  // loss or norm is not finite, or the loss too high: no step was made
};

class Trainer {
 public:
  Trainer(Context& ctx, std::vector<Parameter> parameters, const TrainerConfig& config);

  // One optimiser step from the sum of all parts; none, and nothing has changed, where the report says `diverged`.
  // most_loss: what the loss may be. Errors: those of a part.
  Result<StepReport> step(std::span<const PartLoss> parts, double most_loss = std::numeric_limits<double>::infinity());

  int64_t steps() const { return optimizer_->steps(); }

  // Writes parameters, the optimiser's state and the step to one safetensors file, whole or not at all; `notes` are
  // kept beside them.
  Status save(const std::filesystem::path& file, const std::map<std::string, std::string>& notes = {}) const;
  // Goes on from such a file and returns its notes. Errors: not such a file, other parameters than these; nothing has
  // changed then.
  Result<std::map<std::string, std::string>> restore(const std::filesystem::path& file);

 private:
  Context& ctx_;
  std::unique_ptr<Optimizer> optimizer_;
  TrainerConfig config_;
};

}  // namespace linnet
