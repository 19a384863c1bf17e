// `linnet tune`: from a person's data to a run that can be asked. What learns is an adapter, or the model's own weights
// (tasks/pupil.hpp). Ownership: a Tuner owns model and data. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "data/dataset.hpp"
#include "tasks/job_score.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/preference_lessons.hpp"
#include "tasks/pupil.hpp"
#include "tasks/run_log.hpp"
#include "tasks/shown_sample.hpp"
#include "tasks/teacher.hpp"
#include "tasks/teaching.hpp"
#include "tasks/teaching_forecast.hpp"
#include "tasks/training_memory.hpp"

namespace linnet {

struct TuneSettings {
  std::string base;
  std::string system;  // message of conversations that have none of their own
  // Of a base that has none: the run keeps it (docs/tune.md). Empty: such a base has kPlainTemplate for conversations.
  std::string chat_template;
  // Tokens of an input, of which what is beyond was cut off (data/cut_input.hpp); for run.json.
  std::optional<int64_t> input_tokens;
  double frequency_penalty = 0;   // of what the run writes later; for run.json
  std::optional<double> minutes;  // what the amount of data was chosen for (teaching_time.hpp); for run.json
  PupilSettings pupil;
  TeacherSettings teacher;
  // How replies that people preferred are learned from; as it comes: pairs by DPO, single replies by KTO.
  std::optional<PreferenceMethod> preference;
  std::optional<double> beta;  // of that method
  // What is not set is chosen from data and model (TunePlan).
  std::optional<double> rate;
  std::optional<int64_t> epochs;
  std::optional<int64_t> length;
  std::optional<int64_t> batch;  // tokens of a step, about
  std::optional<int64_t> steps;  // in all, however many epochs they take; not with `epochs`
  std::optional<int64_t> warmup_steps;
  ScheduleKind schedule = ScheduleKind::kCosine;
  double weight_decay = 0;  // of matrices
  double clip_norm = 1;
  double dropout = 0;  // of what an assistant says
  // Those that a run which goes on began with.
  std::optional<int64_t> row_length;
  std::optional<bool> packed_alone;
  bool recompute = false;      // Context::recompute; where memory is short, it is chosen
  double spike = 10;           // LoopConfig::spike
  uint64_t memory = 0;         // bytes that may be taken; 0: what is free
  double allowed_cuts = 0.01;  // of the samples
  bool skip_cut_off = false;   // samples of whose reply the length leaves nothing are left out, instead of an error
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
  int64_t held_out_tokens = 0;
  bool bfloat16 = false;      // products are computed in it
  bool recompute = false;     // of layers, on the way back
  bool packed_alone = false;  // of the base's matrices of floats there is nothing but what is packed for teaching
  TrainingMemory memory;
};

class Tuner {
 public:
  // Checks everything; loads no weights, but a teacher's that writes the answers. Errors: those of the refusals in
  // data/refuse.hpp; a base that cannot be taught, a teacher that cannot teach it; more memory than there is.
  static Result<std::unique_ptr<Tuner>> prepare(const TuneSettings& settings, Dataset dataset,
                                                const CancelToken* cancel = nullptr,
                                                const ProgressCallback& progress = {});

  const Dataset& dataset() const { return dataset_; }
  const TunePlan& plan() const { return plan_; }
  const PupilSettings& pupil() const { return settings_.pupil; }
  const TokenSet& train_set() const { return lessons_->set(); }
  // Whether it learns conversations, and not how texts go on.
  bool chats() const { return chat_template_.has_value(); }
  // All that decides what is learned, for run.json: data, base, plan.
  Json info() const;
  // The first `count` samples as the model will read them (data/preview.hpp); of preferences, which reply is which.
  std::string preview(size_t count, bool colour) const;

  // How fast this machine teaches: tokens a second of a few steps, on weights that are thrown away. Errors: those of
  // run().
  Result<double> measure_speed(const CancelToken& cancel);

  struct Taught {
    LoopResult loop;
    std::optional<double> right;  // Lessons::HeldOut::right at the end
    // Of the data that tests, where there is some: by the model as it was, and by what stays.
    std::optional<Lessons::HeldOut> test_before = {};
    std::optional<Lessons::HeldOut> test_after = {};
    double seconds = 0;              // of all steps, evaluations and checkpoints
    std::optional<double> forecast;  // of them, made at the second step
  };
  // Teaches, and writes what was learned into version.folder. Errors: those of Pupil and run_loop.
  Result<Taught> run(const RunVersion& version, bool resume, const TeachingHooks& hooks);

 private:
  Tuner(TuneSettings settings, Dataset dataset, ModelHandle model, Tokenizer tokenizer,
        std::unique_ptr<Runtime> runtime)
      : settings_(std::move(settings)),
        dataset_(std::move(dataset)),
        model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        runtime_(std::move(runtime)) {}

  // With its frozen weights packed, and the products chosen.
  Result<std::unique_ptr<Pupil>> load_pupil();
  TrainerConfig trainer_config() const;

  Result<Renderer> renderer();
  Status refuse(const TokenSet& rendered, const Renderer& renderer) const;
  // Samples that have nothing to learn from, whatever the length.
  Status refuse_silent() const;
  // Leaves samples out of which the length leaves nothing, or refuses them; whether there were any.
  Result<bool> leave_out_cut_off(std::vector<Sample>& samples, const TokenSet& rendered, bool each_reply);
  // The data that tests, but for samples of which nothing is to be said.
  Result<TokenSet> render_test(const Renderer& renderer) const;
  // Finds the teacher; one that writes does so.
  Status ask_teacher(const CancelToken* cancel, const ProgressCallback& progress);
  // Asks the teacher, if there is one, and looks for what cannot be learned; then one of the two below.
  Status prepare_lessons(const CancelToken* cancel, const ProgressCallback& progress);
  // Each: renders all data, makes the plan and the lessons.
  Status prepare_tokens(const Renderer& renderer);
  Status prepare_preferences(const Renderer& renderer, PreferenceMethod method);
  // tokens: of an epoch.
  Status prepare_score(double tokens, const Renderer& renderer);
  std::string preview_preferences(size_t count, bool colour) const;
  JobAsking asking(const Renderer& renderer) const;
  // What a run shows and keeps beside its steps.
  LoopHooks loop_hooks(const Transformer& model, RunLog& log, TeachingForecast& forecast, Taught& taught,
                       const TeachingHooks& hooks);
  // The job's score, or where it has none what is shown of it before and after; else nothing.
  Result<JobScore::Measured> measure_job(const Transformer& model, const TeachingHooks& hooks);
  // Of the feed: as settings_.steps asks for, or plan_.epochs.
  int64_t epochs_for(const TokenSet& set) const;
  // What both share; `tokens`: of an epoch.
  void choose(double tokens, double usual_rate);
  // As long as serves the products.
  int64_t usual_row(double tokens) const;
  // The row length that memory allows: `usual_row` at most, and no shorter than `least` tokens.
  // shape_of(length): of a step in rows of up to so many tokens. caches: bytes.
  Status choose_rows(int64_t least, int64_t usual_row, const std::function<StepShape(int64_t)>& shape_of,
                     uint64_t caches);
  void choose_schedule();
  double tokens_of_a_step(double tokens) const;
  TeachingForecast::Work work() const;

  TuneSettings settings_;
  Dataset dataset_;
  ModelHandle model_;
  Tokenizer tokenizer_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<const Teacher> teacher_;
  std::optional<ChatTemplate> chat_template_;
  std::unique_ptr<Lessons> lessons_;
  std::optional<JobScore> score_;
  std::optional<ShownSample> shown_;  // where there is no score
  std::string data_digest_;           // of what is learned from
  TunePlan plan_;
};

}  // namespace linnet
