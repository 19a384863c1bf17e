#include "cli/teaching_screen.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/core.h>

#include "base/cancel.hpp"
#include "base/terminal.hpp"
#include "cli/loss_chart.hpp"

namespace linnet::cli {

namespace {

// ", chrf 41.2, …"
std::string listed(const std::vector<Score>& scores) {
  std::string text;
  for (const Score& score : scores) text += fmt::format(", {} {:.3g}", score.name, score.value);
  return text;
}

}  // namespace

void TeachingScreen::step(const StepReport& step, const std::optional<Evaluation>& evaluation) {
  constexpr double kKeep = 0.9;
  loss_ = loss_ ? kKeep * *loss_ + (1 - kKeep) * step.loss : step.loss;
  losses_.push_back(*loss_);
  Progress progress{.stage = work_.stage,
                    .done = static_cast<uint64_t>(step.step + 1),
                    .total = static_cast<uint64_t>(work_.steps),
                    .unit = ProgressUnit::kCount};
  const auto now = RateMeter::Clock::now();
  meter_.add(progress.done, now);
  meter_.fill(progress, now);
  progress.detail = detail(progress.per_second);
  if (work_.tokens_per_step > 0) progress.per_second = 0;  // tokens say more than steps
  printer_.update(progress);
  if (evaluation) {
    printer_.note(fmt::format("step {}: loss {:.3f}, held out {:.3f}{}", step.step + 1, *loss_, evaluation->loss,
                              listed(evaluation->scores)));
  }
}

std::string TeachingScreen::detail(double steps_per_second) const {
  constexpr size_t kSparks = 12;
  std::string text = fmt::format("loss {:.3f} {}", loss_.value_or(0), sparkline(losses_, kSparks));
  const double tokens = steps_per_second * work_.tokens_per_step;
  if (tokens > 0) text += fmt::format("  {:.0f} tokens/s", tokens);
  if (tokens > 0 && work_.peak > 0) {
    // Model FLOPs utilisation (Chowdhery et al. 2022, arXiv:2204.02311, appendix B).
    text += fmt::format("  MFU {:.0f}%", 100 * tokens * work_.flops_per_token / work_.peak);
  }
  return text;
}

TeachingHooks TeachingScreen::hooks() {
  return {
      .report = [this](const StepReport& report,
                       const std::optional<Evaluation>& evaluation) { step(report, evaluation); },
      .forecast =
          [this](double seconds) {
            printer_.note(fmt::format("about {} for all steps, less where it stops early", format_duration(seconds)));
          },
      .before = [this](const Progress& progress) { printer_.update(progress); },
      .evaluated = [this](const std::string& when, const Evaluation& evaluation) { evaluated(when, evaluation); },
      .sample = [this](const std::string& text) { sample(text); },
      .cancel = &interrupt_token()};
}

void TeachingScreen::evaluated(const std::string& when, const Evaluation& evaluation) {
  printer_.note(fmt::format("{} teaching: held out {:.3f}{}", when, evaluation.loss, listed(evaluation.scores)));
}

void TeachingScreen::sample(const std::string& text) {
  std::string quoted = "  │ ";
  std::string shown = without_controls(text);
  while (!shown.empty() && shown.back() == '\n') shown.pop_back();
  for (const char c : shown) quoted += c == '\n' ? std::string("\n  │ ") : std::string(1, c);
  printer_.note(quoted);
}

void TeachingScreen::finish() {
  printer_.finish();
  if (!stderr_is_terminal()) return;
  constexpr size_t kRows = 10;
  constexpr int kLabel = 10;
  constexpr int kMostColumns = 100;
  const int columns = std::min(terminal_columns() - kLabel, kMostColumns);
  if (columns < kLabel) return;
  std::fputs(loss_chart(losses_, static_cast<size_t>(columns), kRows).c_str(), stderr);
}

}  // namespace linnet::cli
