// What the ways of `linnet tune` share.
#pragma once

#include <string>
#include <string_view>

#include "cli/arguments.hpp"
#include "cli/teaching_screen.hpp"
#include "tasks/classify_tune.hpp"
#include "tasks/embedding_tune.hpp"
#include "tasks/faq_tune.hpp"
#include "tasks/tune.hpp"
#include "tasks/writing_job.hpp"

namespace linnet::cli {

// About how long pairs and summaries take, the test included.
inline constexpr double kWritingMinutes = 20;

struct TuneFlags {
  DatasetSettings data;
  TuneSettings settings;
  FaqSettings faq;
  ClassifySettings classify;
  EmbeddingSettings embedding;
  std::string encoder;  // empty: that of the settings of what is taught
  std::string name;
  std::string method = "auto";
  std::string distil = "logits";
  std::string weights = "f32";
  int64_t memory = 0;    // MB; 0: what is free
  double lora_plus = 0;  // 0: not asked for
  std::string base;      // empty: what suits the method
  double rate = 0;
  int64_t epochs = 0;
  int64_t length = 0;
  int64_t batch = 0;
  double beta = 0;
  std::string schedule = "cosine";
  int64_t steps = 0;
  int64_t warmup = -1;  // below 0: not said
  // Of pairs and summaries.
  std::string input, output;         // names of columns
  double minutes = kWritingMinutes;  // 0: without a limit
  int64_t samples = 0;               // 0: not said
  int64_t input_tokens = 0;          // 0: not said
  bool allow_cuts = false;
  bool skip_bad = false;
  bool leave_out_overlap = false;
  bool resume = false;
  bool preview = false;
  bool undo = false;
  bool json = false;
};

// What is taught where no --base is named, but for what has a base of its own.
inline constexpr const char* kSmallBase = "smollm2";

// Adds all flags; what they come as stands in `flags`.
void declare_tune_options(Arguments& args, TuneFlags& flags);

// Questions that are looked up: tasks/faq_tune.hpp.
Status tune_faq(const TuneFlags& flags, const Dataset& dataset);
// Labelled texts: tasks/classify_tune.hpp.
Status tune_classifier(const TuneFlags& flags, const Dataset& dataset);
// Pairs of texts, for their vectors: tasks/embedding_tune.hpp.
Status tune_embedding(const TuneFlags& flags, const Dataset& dataset);

// Pairs of phrases, texts with summaries: tasks/writing_job.hpp.
Status tune_writing(const TuneFlags& flags, Dataset dataset, const WritingJob& job);

// What --preview shows: form and method in the first line, what was said of the data, the first samples as they are
// learned from.
Status show_preview(const Tuner& tuner);
// Of what learns without a chat: two texts of a row.
struct RowNames {
  std::string_view first, second;
};
Status show_preview(const Dataset& dataset, std::string_view method, const RowNames& names);

// Teaches with a bar on the terminal; gone again when this returns.
template <class AnyTuner>
auto teach_shown(AnyTuner& tuner, int64_t steps, const RunVersion& version, bool resume) {
  TeachingScreen screen({.steps = steps});
  return tuner.run(version, resume, screen.hooks());
}

// "shop is ready (version 2, 40 steps, stopped early)".
std::string ready_sentence(const RunVersion& version, const LoopResult& loop);

// A line where what was held out is foreseen worse than by the base as it was; else empty.
std::string worse_than_untaught(const std::string& base, const LoopResult& loop);

// Takes what the test holds, too, out of the rest, and says so.
void leave_out_overlaps(Dataset& dataset);

// A run that goes on computes as it began, whatever memory there is now: sets what the last run of this name chose by
// what there was then.
void take_choices_of_last(const RunStore& store, const std::string& name, TuneSettings& settings);

}  // namespace linnet::cli
