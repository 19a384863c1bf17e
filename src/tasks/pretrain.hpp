// `linnet train`: from a pile of text to a model that has learned it, from random weights.
// Ownership: a Pretrainer owns text and plan. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "models/family.hpp"
#include "tasks/model_size.hpp"
#include "tasks/run_log.hpp"
#include "tasks/run_store.hpp"
#include "tasks/training_text.hpp"
#include "tasks/window_feed.hpp"
#include "train/loop.hpp"

namespace linnet {

struct TrainSettings {
  TrainingTextSettings text;
  SizeSettings size;
  // What is not set is chosen from size and text (TrainPlan).
  std::optional<int64_t> context;
  std::optional<int64_t> batch;  // tokens of a step
  std::optional<int64_t> steps;
  std::optional<double> epochs;
  std::optional<double> rate;
  std::optional<int64_t> warmup_steps;
  std::optional<int64_t> decay_steps;
  std::optional<double> dropout;
  std::optional<int64_t> evaluate_every;
  ScheduleKind schedule = ScheduleKind::kCosine;
  double final_fraction = 0.1;  // of the rate, where the run ends
  OptimizerConfig optimizer;
  double clip_norm = 1;
  double spike = 10;      // LoopConfig::spike
  double held_out = 0.1;  // part of the text, at its end; without effect where text.held_out names one
  bool untied_head = false;
  bool float32 = false;         // products are not rounded to bfloat16
  DType weights = DType::kF32;  // what matrices are held as while they learn (train/parameters.hpp)
  std::string prompt;           // that samples go on from; empty: a new line
  uint64_t seed = 0;
  int threads = 0;
};

// Every number of a run.
struct TrainPlan {
  ModelSize size;
  int64_t vocab = 0;
  int64_t parameters = 0;
  int64_t context = 0;
  int64_t windows_per_step = 0;  // of `context` tokens each
  int64_t windows_per_part = 0;  // that are computed together
  int64_t steps_per_epoch = 0;
  int64_t steps = 0;
  int64_t evaluate_every = 0;  // 0: nothing is held out
  double rate = 0;             // the highest
  Schedule schedule;
  double dropout = 0;
  WindowRange train;
  WindowRange held_out;
  bool bfloat16 = false;
  double flops_per_token = 0;  // of a step, forward and back
};

class Pretrainer {
 public:
  // Reads the text, makes or reads its tokens, chooses every number. Errors: those of TrainingText::prepare and
  // choose_size; a text that is shorter than a window; more memory than there is.
  static Result<std::unique_ptr<Pretrainer>> prepare(const TrainSettings& settings, const CancelToken& cancel,
                                                     const ProgressCallback& progress);

  const TrainPlan& plan() const { return plan_; }
  const TrainSettings& settings() const { return settings_; }
  const TrainingText& text() const { return text_; }
  Runtime& runtime() { return *runtime_; }
  // All that decides what is learned, for run.json.
  Json info() const;

  struct Hooks {
    std::function<void(const StepReport&, const std::optional<Evaluation>& evaluation)> report;
    std::function<void(const std::string& text)> sample;  // what the model writes by now
    const CancelToken* cancel = nullptr;
  };
  // Trains and writes the model to version.folder / kModelFolder. Errors: those of run_loop and of writing.
  Result<LoopResult> run(const RunVersion& version, bool resume, const Hooks& hooks);

 private:
  Pretrainer(TrainSettings settings, std::unique_ptr<Runtime> runtime, TrainingText text)
      : settings_(std::move(settings)), runtime_(std::move(runtime)), text_(std::move(text)) {}

  Status choose();
  Status choose_ranges();
  void choose_steps();
  Status check_memory() const;
  Result<std::string> sample(const Transformer& model, int64_t step);
  Status write_model(const Transformer& model, const RunVersion& version) const;

  TrainSettings settings_;
  std::unique_ptr<Runtime> runtime_;
  TrainingText text_;
  TrainPlan plan_;
  Json config_;  // config.json
  const Family* family_ = nullptr;
  TransformerConfig transformer_;
};

}  // namespace linnet
