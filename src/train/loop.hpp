// A run's steps from first to last: metrics, evaluations, early stopping, checkpoints, Ctrl-C.
//
// In the run's folder: checkpoint.safetensors and best.safetensors (train/trainer.hpp), and metrics.jsonl, a line for
// each step and each evaluation, without times: a run that was killed at any moment and goes on ends with the same
// bytes in all of them. What was measured before the first step stands there as of step -1, and
// scores of what stays, which need not be the last, as of the step behind the last, with "kept". Thread safety: one
// loop at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/json.hpp"
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
  // Where `spike` is not 0, a loss above this and above twice the first diverged, too, however few were seen.
  double most_loss = std::numeric_limits<double>::infinity();
};

// What a person judges by, under the name that `linnet eval` has for it: "chrf", "accuracy".
struct Score {
  std::string name;
  double value = 0;
};

// Of what was held out.
struct Evaluation {
  double loss = 0;                 // or another number of which less is better: it alone decides what is the best
  std::vector<Score> scores = {};  // that are shown beside it; none where they were not measured
};

inline constexpr int64_t kBeforeFirst = -1;  // the step of what is measured before there was any

// {"chrf": 41.2}
Json scores_json(const std::vector<Score>& scores);

struct LoopHooks {
  // What step `step` learns from: always the same.
  std::function<Result<std::vector<PartLoss>>(int64_t step)> parts;
  // What was held out, before the first step. It is shown, and is none of the evaluations of which the best is kept.
  std::function<Result<Evaluation>()> before = nullptr;
  // What was held out, after `steps` steps: always the same. Error kCancelled stops the run as Ctrl-C does, and one
  // that goes on evaluates again.
  std::function<Result<Evaluation>(int64_t steps)> evaluate = nullptr;
  // Scores of what stays, after `steps` steps in all.
  std::function<Result<std::vector<Score>>(int64_t steps)> after = nullptr;
  // Told of every step, and of the evaluation after it. An error ends the run.
  std::function<Status(const StepReport& step, const std::optional<Evaluation>& evaluation)> report = nullptr;
  // Writes down what a step that diverged was to learn from, and returns where.
  std::function<Result<std::filesystem::path>(const StepReport& step)> keep_batch = nullptr;
  const CancelToken* cancel = nullptr;
};

struct LoopResult {
  int64_t steps = 0;               // done in all
  std::optional<double> held_out;  // the loss of the best evaluation, whose parameters the trainer holds
  bool stopped_early = false;
  std::optional<Evaluation> before = {};  // LoopHooks::before
  std::vector<Score> after = {};          // LoopHooks::after
};

// From where `trainer` stands to the end. Goes on from the folder's checkpoint where `resume` says so and there is one.
// Errors: kCancelled, after a checkpoint; those of the hooks; a step that diverged, where the last checkpoint is that
// of some steps before it; a full disk.
Result<LoopResult> run_loop(Trainer& trainer, const LoopConfig& config, const LoopHooks& hooks, bool resume);

}  // namespace linnet
