// A run's steps from first to last: metrics, held-out loss, early stopping, checkpoints, Ctrl-C.
//
// In the run's folder: checkpoint.safetensors and best.safetensors (train/trainer.hpp), and metrics.jsonl, a line for
// each step and each evaluation, without times: a run that was killed at any moment and goes on ends with the same
// bytes in all of them. Thread safety: one loop at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "base/cancel.hpp"
#include "train/token_loss.hpp"

namespace linnet {

struct LoopConfig {
  std::filesystem::path folder;
  int64_t steps = 0;             // in all
  int64_t checkpoint_every = 0;  // steps; 0: only when stopped, and at the end
  int64_t evaluate_every = 0;    // steps; 0: never
  // Evaluations in a row without a better one after which the run ends; 0: never. At the end the trainer holds the
  // parameters of the best evaluation, where there was one.
  int64_t patience = 0;
  // A loss so many standard deviations above the last ones diverged (train/loss_watch.hpp); 0: only one that is not
  // finite.
  double spike = 0;
};

struct LoopHooks {
  // What step `step` learns from: always the same.
  std::function<Result<std::vector<PartLoss>>(int64_t step)> parts;
  // The held-out loss, or another score of which less is better.
  std::function<Result<double>()> evaluate = nullptr;
  // Told of every step, and of every evaluation after it. An error ends the run.
  std::function<Status(const StepReport& step, std::optional<double> held_out)> report = nullptr;
  // Writes down what a step that diverged was to learn from, and returns where.
  std::function<Result<std::filesystem::path>(const StepReport& step)> keep_batch = nullptr;
  const CancelToken* cancel = nullptr;
};

struct LoopResult {
  int64_t steps = 0;               // done in all
  std::optional<double> held_out;  // the last evaluation
  bool stopped_early = false;
};

// From where `trainer` stands to the end. Goes on from the folder's checkpoint where `resume` says so and there is one.
// Errors: kCancelled, after a checkpoint; those of the hooks; a step that diverged, where the last checkpoint is that
// of some steps before it; a full disk.
Result<LoopResult> run_loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, bool resume);

}  // namespace linnet
