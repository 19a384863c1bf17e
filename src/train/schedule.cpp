#include "train/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace linnet {

float rate_at(const Schedule& schedule, int64_t step) {
  step = std::clamp<int64_t>(step, 0, std::max<int64_t>(schedule.steps - 1, 0));
  if (step < schedule.warmup_steps) {
    return schedule.rate * static_cast<float>(step + 1) / static_cast<float>(schedule.warmup_steps);
  }
  const int64_t flat_until = schedule.kind == ScheduleKind::kStable
                                 ? std::max(schedule.warmup_steps, schedule.steps - schedule.decay_steps)
                                 : schedule.warmup_steps;
  if (schedule.kind == ScheduleKind::kConstant || step < flat_until) return schedule.rate;
  const double part = static_cast<double>(step - flat_until) / static_cast<double>(schedule.steps - flat_until);
  const double left = schedule.kind == ScheduleKind::kCosine ? 0.5 * (1 + std::cos(std::numbers::pi * part)) : 1 - part;
  const double low = schedule.final_fraction;
  return static_cast<float>(schedule.rate * (low + (1 - low) * left));
}

}  // namespace linnet
