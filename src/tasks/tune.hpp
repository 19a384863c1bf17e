// `linnet tune`: from a person's data to a run that can be asked. Low-rank adapters on a model whose own weights stay
// as they are in the file, quantised or not (LoRA, arXiv:2106.09685; QLoRA, arXiv:2305.14314). Ownership: a Tuner owns
// model and data. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/preference_lessons.hpp"
#include "tasks/run_store.hpp"
#include "train/loop.hpp"

namespace linnet {

struct TuneSettings {
  std::string base;
  std::string system;  // message of conversations that have none of their own
  NewAdapter adapter;
  // How replies that people preferred are learned from; as it comes: pairs by DPO, single replies by KTO.
  std::optional<PreferenceMethod> preference;
  std::optional<double> beta;  // of that method
  // What is not set is chosen from data and model (TunePlan).
  std::optional<double> rate;
  std::optional<int64_t> epochs;
  std::optional<int64_t> length;
  std::optional<int64_t> batch;  // tokens of a step, about
  double allowed_cuts = 0.01;    // of the samples
  uint64_t seed = 0;
  int threads = 0;
};

// Every number of a run.
struct TunePlan {
  double rate = 0;  // the highest
  int64_t epochs = 0;
  int64_t length = 0;                      // of the longest sequence, in tokens
  int64_t row_length = 0;                  // tokens that are computed together
  int64_t rows_per_step = 0;               // at most
  std::optional<PreferenceMethod> method;  // nothing: what the assistant says is learned
  int64_t pairs_per_step = 0;              // of a method
  double beta = 0;                         // of a method
  int64_t steps = 0;
  int64_t warmup_steps = 0;
  int64_t evaluate_every = 0;  // steps; 0: nothing is held out
  bool bfloat16 = false;       // products are computed in it
};

class Tuner {
 public:
  // Checks everything; loads no weights. Errors: those of the refusals in data/refuse.hpp; a base that cannot be
  // taught.
  static Result<std::unique_ptr<Tuner>> prepare(const TuneSettings& settings, Dataset dataset);

  const Dataset& dataset() const { return dataset_; }
  const TunePlan& plan() const { return plan_; }
  const TokenSet& train_set() const { return lessons_->set(); }
  // All that decides what is learned, for run.json: data, base, plan.
  Json info() const;
  // The first `count` samples as the model will read them (data/preview.hpp).
  std::string preview(size_t count, bool colour) const;

  struct Hooks {
    std::function<void(const StepReport&, std::optional<double> held_out)> report;
    const CancelToken* cancel = nullptr;
  };
  struct Taught {
    LoopResult loop;
    std::optional<double> right;  // Lessons::HeldOut::right at the end
  };
  // Teaches and writes the adapter to version.folder/adapter. Errors: those of load_weights and run_loop.
  Result<Taught> run(const RunVersion& version, bool resume, const Hooks& hooks);

 private:
  Tuner(TuneSettings settings, Dataset dataset, ModelHandle model, Tokenizer tokenizer,
        std::unique_ptr<Runtime> runtime)
      : settings_(std::move(settings)),
        dataset_(std::move(dataset)),
        model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        runtime_(std::move(runtime)) {}

  Result<Renderer> renderer();
  Status refuse(const TokenSet& rendered, const Renderer& renderer) const;
  // Each: renders all data, makes the plan and the lessons.
  Status prepare_tokens(const Renderer& renderer);
  Status prepare_preferences(const Renderer& renderer, PreferenceMethod method);
  // What both share; `tokens`: of an epoch.
  void choose(double tokens, double usual_rate);
  void choose_schedule();
  double tokens_of_a_step(double tokens) const;

  TuneSettings settings_;
  Dataset dataset_;
  ModelHandle model_;
  Tokenizer tokenizer_;
  std::unique_ptr<Runtime> runtime_;
  std::optional<ChatTemplate> chat_template_;
  std::unique_ptr<Lessons> lessons_;
  TunePlan plan_;
};

}  // namespace linnet
