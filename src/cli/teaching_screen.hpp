// What a person sees while a model learns: a bar with loss, speed and time left, lines at evaluations, the whole curve
// at the end. On standard error. Thread safety: one thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "tasks/teaching.hpp"

namespace linnet::cli {

struct TeachingWork {
  std::string stage = "teaching";
  int64_t steps = 0;
  double tokens_per_step = 0;  // on average; 0: not to be shown
  double flops_per_token = 0;
  double peak = 0;  // operations a second that this machine could do; 0: not known
};

class TeachingScreen {
 public:
  explicit TeachingScreen(TeachingWork work) : work_(std::move(work)) {}

  void step(const StepReport& step, const std::optional<Evaluation>& evaluation);
  // "before", "after" all steps.
  void evaluated(const std::string& when, const Evaluation& evaluation);
  void sample(const std::string& text);
  // What shows itself here, and ends by Ctrl-C. Must not outlive the screen.
  TeachingHooks hooks();
  // Draws the curve, on a terminal. Nothing may be shown after it.
  void finish();

 private:
  std::string detail(double steps_per_second) const;

  TeachingWork work_;
  std::optional<double> loss_;  // smoothed: one step's loss jumps
  std::vector<double> losses_;
  RateMeter meter_;
  ProgressPrinter printer_ = ProgressPrinter::for_stderr();
};

}  // namespace linnet::cli
