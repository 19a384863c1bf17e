// How the learning rate moves over a run. Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linnet {

enum class ScheduleKind : uint8_t {
  kConstant,
  kLinear,  // down to final_fraction
  kCosine,  // half a wave down to it (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts)
  kStable,  // constant, then linear down over the last decay_steps: warmup-stable-decay (Hu et al. 2024,
            // arXiv:2404.06395)
};

// "constant", "linear", "cosine", "stable".
std::string_view schedule_name(ScheduleKind kind);
// The names of all kinds, and the kind of one of them.
std::vector<std::string> schedule_names();
ScheduleKind schedule_called(std::string_view name);

struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  float rate = 1e-3f;        // the highest
  int64_t steps = 1;         // of the whole run
  int64_t warmup_steps = 0;  // in equal rises; the first step already learns
  int64_t decay_steps = 0;   // kStable's, at most steps - warmup_steps
  float final_fraction = 0;  // of `rate`, where the run ends
};

// The learning rate of step `step` in [0, steps); the last rate for later steps.
float rate_at(const Schedule& schedule, int64_t step);

}  // namespace linnet
