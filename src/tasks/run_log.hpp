// What a run shows of itself while it learns, beside the metrics.jsonl of its loop (train/loop.hpp):
//
//   times.jsonl      of each step: when it ended, its seconds and tokens. These differ from run to run
//   samples.jsonl    what the model wrote after an evaluation; of step -1: before the first step; with "kept": what
//                    stays wrote it, after all steps
//   diverged.jsonl   what the step that diverged was to learn from
//   tensorboard/     an event file: loss, held-out loss, scores, rate, gradient norm, tokens per second, samples
//   report.html      all of it on one page (tasks/run_report.hpp)
//
// A run that goes on forgets the steps that it does again. Thread safety: one thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "tasks/event_file.hpp"
#include "tasks/run_store.hpp"
#include "text/tokenizer.hpp"
#include "train/loop.hpp"
#include "train/step_log.hpp"
#include "train/token_loss.hpp"

namespace linnet {

class RunLog {
 public:
  explicit RunLog(RunVersion version) : version_(std::move(version)) {}

  // Around what a step's time is: not evaluations, nor samples.
  void begin_step();
  void end_step();
  // Of the last step that ended.
  double seconds() const { return seconds_; }
  // What was measured before the first step, and what the model wrote then; empty: nothing.
  Status before(const Evaluation& evaluation, const std::string& text);
  // The step that just ended, of so many tokens; 0: they are not counted. Ends it, where end_step() was not called.
  Status step(const StepReport& report, const std::optional<Evaluation>& evaluation = std::nullopt, int64_t tokens = 0);
  // What the model writes after step `step`.
  Status sample(int64_t step, const std::string& text);
  // Of what stays after `steps` steps in all: its scores, and what it writes; empty: nothing.
  Status kept(int64_t steps, const std::vector<Score>& scores, const std::string& text);
  // What a step that diverged was to learn from, a sequence a line, into diverged.jsonl; returns its path.
  Result<std::filesystem::path> keep_batch(int64_t step, std::span<const TokenBatch> batches,
                                           const Tokenizer& tokenizer) const;
  Status write_report() const;

 private:
  // The files as they were before step `steps`.
  Status open(int64_t steps);
  Status refill_events(int64_t steps);

  RunVersion version_;
  struct Files {
    StepLog times;
    StepLog samples;
    EventFile events;
  };
  std::unique_ptr<Files> files_;  // from the first step on
  std::optional<std::chrono::steady_clock::time_point> began_;
  double seconds_ = 0;  // of the step
};

}  // namespace linnet
