// `linnet tune` on labelled texts: an encoder with a low-rank adapter and a linear layer on top (train/label_head.hpp)
// learns by cross-entropy which label a text has, and weighted words (train/word_classifier.hpp) learn the same beside
// it: the baseline, which answers where it is the better one.
// Ownership: owns the data. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "tasks/classifier.hpp"
#include "tasks/teaching.hpp"

namespace linnet {

struct ClassifySettings {
  std::string encoder = "minilm";
  NewAdapter adapter;
  bool words_only = false;  // weighted words alone: no encoder is loaded or taught
  // What is not set is chosen from the data.
  std::optional<double> rate;
  std::optional<int64_t> epochs;
  uint64_t seed = 0;
  int threads = 0;
};

struct ClassifyPlan {
  double rate = 0;  // the highest
  int64_t epochs = 0;
  int64_t texts_per_step = 0;
  int64_t steps = 0;
  int64_t warmup_steps = 0;
  int64_t evaluate_every = 0;  // steps; 0: nothing is held out
};

// Whether what was read is labelled texts.
bool is_classification(const Dataset& dataset);
// Errors: it is not.
Status check_classification(const Dataset& dataset);

// Texts with the places of their labels.
struct LabelledTexts {
  std::vector<std::string> texts;
  std::vector<int32_t> classes;
  size_t size() const { return texts.size(); }
};

class ClassifyTuner {
 public:
  // Loads no weights. Errors: other data; fewer than two labels, or more than kMostLabels; an empty text or label; test
  // texts that are learned from, or of other labels; a model that is not there or is no encoder.
  static Result<std::unique_ptr<ClassifyTuner>> prepare(const ClassifySettings& settings, const Dataset& dataset);

  const std::vector<std::string>& labels() const { return labels_; }  // sorted
  const LabelledTexts& train() const { return train_; }
  const LabelledTexts& held_out() const { return held_out_; }
  const LabelledTexts& test() const { return test_; }
  const ClassifyPlan& plan() const { return plan_; }
  int32_t most_frequent() const;  // of the labels in train()
  // All that decides what is learned, for run.json.
  Json info() const;

  // Teaches what plan() says, and writes all to version.folder but what answers (set_answering). Errors: those of
  // load_weights and run_loop.
  Result<LoopResult> run(const RunVersion& version, bool resume, const TeachingHooks& hooks);

 private:
  ClassifyTuner(ClassifySettings settings, std::unique_ptr<Runtime> runtime)
      : settings_(std::move(settings)), runtime_(std::move(runtime)) {}

  Status read(const Dataset& dataset);
  void choose();
  Result<LoopResult> teach(const RunVersion& version, bool resume, const TeachingHooks& hooks);

  ClassifySettings settings_;
  std::unique_ptr<Runtime> runtime_;
  std::optional<ModelHandle> encoder_;
  std::vector<std::string> labels_;
  LabelledTexts train_, held_out_, test_;
  ClassifyPlan plan_;
  bool bfloat16_ = false;
};

}  // namespace linnet
