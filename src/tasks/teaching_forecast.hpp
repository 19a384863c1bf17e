// How long a run of teaching will take, said after its second step: the first also takes memory. Steps are alike, since
// each is of packed rows; an evaluation only goes forth, for a third of the arithmetic. A run that stops early takes
// less. Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <optional>

namespace linnet {

class TeachingForecast {
 public:
  struct Work {
    int64_t steps = 0;  // of the whole run
    double tokens_per_step = 0;
    int64_t evaluate_every = 0;  // steps; 0: never
    double tokens_per_evaluation = 0;
  };

  explicit TeachingForecast(const Work& work) : work_(work) {}

  // Of every step that is done, `step` counted from 0 in the whole run, and its seconds. At the second: the seconds
  // from the first one's begin to the end of the run.
  std::optional<double> step(int64_t step, double seconds) {
    ++done_;
    spent_ += seconds;
    if (done_ != 2) return std::nullopt;
    constexpr double kForthAlone = 1.0 / 3;
    double forecast = spent_ + seconds * static_cast<double>(work_.steps - step - 1);
    if (work_.evaluate_every > 0 && work_.tokens_per_step > 0) {
      const int64_t in_all = (work_.steps + work_.evaluate_every - 1) / work_.evaluate_every;
      const int64_t before = (step - 1) / work_.evaluate_every;
      const auto evaluations = static_cast<double>(in_all - before);
      forecast += evaluations * kForthAlone * seconds * work_.tokens_per_evaluation / work_.tokens_per_step;
    }
    return forecast;
  }

 private:
  Work work_;
  int64_t done_ = 0;
  double spent_ = 0;
};

}  // namespace linnet
