#include "train/schedule.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/check.hpp"

namespace linnet {

namespace {

constexpr std::array kKinds{ScheduleKind::kConstant, ScheduleKind::kLinear, ScheduleKind::kCosine,
                            ScheduleKind::kStable};

}  // namespace

std::string_view schedule_name(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kConstant:
      return "constant";
    case ScheduleKind::kLinear:
      return "linear";
    case ScheduleKind::kCosine:
      return "cosine";
    case ScheduleKind::kStable:
      return "stable";
  }
  return "";
}

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  names.reserve(kKinds.size());
  for (const ScheduleKind kind : kKinds) names.emplace_back(schedule_name(kind));
  return names;
}

ScheduleKind schedule_called(std::string_view name) {
  const auto* found = std::ranges::find(kKinds, name, schedule_name);
  CHECK(found != kKinds.end());
  return *found;
}

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
