// What the ways of `linnet tune` share: its flags, versions, and the bar while it learns.
#pragma once

#include <optional>
#include <string>

#include "base/progress.hpp"
#include "tasks/classify_tune.hpp"
#include "tasks/faq_tune.hpp"
#include "tasks/tune.hpp"

namespace linnet::cli {

struct TuneFlags {
  DatasetSettings data;
  TuneSettings settings;
  FaqSettings faq;
  ClassifySettings classify;
  std::string encoder = kFaqEncoder;
  std::string name;
  std::string method = "auto";
  std::string base;  // empty: what suits the method
  double rate = 0;
  int64_t epochs = 0;
  int64_t length = 0;
  int64_t batch = 0;
  bool allow_cuts = false;
  bool leave_out_overlap = false;
  bool resume = false;
  bool preview = false;
  bool undo = false;
  bool json = false;
};

// Goes on with the newest version, which must be of the same data and choices, or begins a new one.
Result<RunVersion> open_version(const RunStore& store, const TuneFlags& flags, const Json& info);

// What --json says of a finished version: how it was made, and where it lies.
Json finished_json(Json info, const RunVersion& version);

// Bar and lines while it learns.
class TuneScreen {
 public:
  explicit TuneScreen(int64_t steps) : steps_(steps) {}
  void show(const StepReport& step, std::optional<double> held_out);

 private:
  int64_t steps_;
  std::optional<double> loss_;
  RateMeter meter_;
  ProgressPrinter printer_ = ProgressPrinter::for_stderr();
};

// Questions that are looked up: tasks/faq_tune.hpp.
Status tune_faq(const TuneFlags& flags, const Dataset& dataset);
// Labelled texts: tasks/classify_tune.hpp.
Status tune_classifier(const TuneFlags& flags, const Dataset& dataset);

}  // namespace linnet::cli
