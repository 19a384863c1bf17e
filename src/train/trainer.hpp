// Steps of training: losses, gradients, one optimiser step, and all of it in a file, to go on from.
//
// A step's result hangs on the parameters, the batches and the settings alone: the same bits on any number of threads,
// and after a restart from a checkpoint. What a step learns from is the caller's: a pure function of the step.
// Ownership: borrows the context. Thread safety: one step at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace linnet {

// A part of what a step makes smaller: (1), differentiable in the parameters while the context records.
using PartLoss = std::function<Result<Tensor>()>;

struct TrainerConfig {
  AdamWConfig optimizer;
  Schedule schedule;
  double clip_norm = 1;  // of all gradients together; > 0
};

struct StepReport {
  int64_t step = 0;  // counts from 0
  double loss = 0;   // the sum of the parts, before the step
  double norm = 0;   // of the gradients, before clipping
  float rate = 0;
};

class Trainer {
 public:
  Trainer(Context& ctx, std::vector<Parameter> parameters, const TrainerConfig& config);

  // One optimiser step from the sum of all parts, whose graphs stand one after the other in memory. Errors: those of a
  // part; a loss or gradient that is not finite. Nothing has changed then.
  Result<StepReport> step(std::span<const PartLoss> parts);

  int64_t steps() const { return optimizer_.steps(); }

  // Writes parameters, moments and the step to one safetensors file, whole or not at all; `notes` are kept beside them.
  Status save(const std::filesystem::path& file, const std::map<std::string, std::string>& notes = {}) const;
  // Goes on from such a file and returns its notes. Errors: not such a file, other parameters than these; nothing has
  // changed then.
  Result<std::map<std::string, std::string>> restore(const std::filesystem::path& file);

 private:
  Context& ctx_;
  AdamW optimizer_;
  TrainerConfig config_;
};

}  // namespace linnet
