// Steps of training: losses, gradients, one optimiser step, and all of it in a file, to go on from.
//
// A step's result hangs on the parameters, the batches and the settings alone: the same bits on any number of threads,
// and after a restart from a checkpoint. Which batches a step learns from is the caller's: a pure function of the step.
// Ownership: borrows the context and the model. Thread safety: one step at a time.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace linnet {

// Sequences side by side, and what each row is to say next.
struct TrainBatch {
  Batch batch;                   // logit_rows: the rows that learn
  std::vector<int32_t> targets;  // one for each of logit_rows

  int64_t trained_tokens() const { return static_cast<int64_t>(targets.size()); }
};

struct TrainerConfig {
  AdamWConfig optimizer;
  Schedule schedule;
  double clip_norm = 1;  // of all gradients together; > 0
};

struct StepReport {
  int64_t step = 0;  // counts from 0
  double loss = 0;   // nats per trained token, before the step
  double norm = 0;   // of the gradients, before clipping
  float rate = 0;
  int64_t tokens = 0;  // rows, trained or not
  int64_t trained = 0;
};

class Trainer {
 public:
  // `parameters`: of `model` (train/parameters.hpp).
  Trainer(Context& ctx, const Transformer& model, std::vector<Parameter> parameters, const TrainerConfig& config);

  // One optimiser step from the gradients of all `batches` together, as if they were one: each token that learns weighs
  // the same. Errors: as Transformer::loss; no token that learns; a loss or gradient that is not finite. Nothing has
  // changed then.
  Result<StepReport> step(std::span<const TrainBatch> batches);

  // The mean loss over the tokens of `batches`. Errors: as Transformer::loss.
  Result<double> loss(std::span<const TrainBatch> batches);

  int64_t steps() const { return optimizer_.steps(); }

  // Writes parameters, moments and the step to one safetensors file, whole or not at all; `notes` are kept beside them.
  Status save(const std::filesystem::path& file, const std::map<std::string, std::string>& notes = {}) const;
  // Goes on from such a file and returns its notes. Errors: not such a file, other parameters than these; nothing has
  // changed then.
  Result<std::map<std::string, std::string>> restore(const std::filesystem::path& file);

 private:
  Context& ctx_;
  const Transformer& model_;
  AdamW optimizer_;
  TrainerConfig config_;
};

}  // namespace linnet
