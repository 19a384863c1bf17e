#include "train/schedule.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(Schedule, WarmsUpInEqualStepsAndLearnsFromTheFirst) {
  for (const auto kind :
       {ScheduleKind::kConstant, ScheduleKind::kLinear, ScheduleKind::kCosine, ScheduleKind::kStable}) {
    const Schedule schedule{.kind = kind, .rate = 1, .steps = 100, .warmup_steps = 4, .decay_steps = 10};
    EXPECT_FLOAT_EQ(rate_at(schedule, 0), 0.25f);
    EXPECT_FLOAT_EQ(rate_at(schedule, 1), 0.5f);
    EXPECT_FLOAT_EQ(rate_at(schedule, 3), 1.0f);
    EXPECT_FLOAT_EQ(rate_at(schedule, 4), 1.0f);
  }
}

TEST(Schedule, EachKindHasAName) {
  EXPECT_EQ(schedule_names(), (std::vector<std::string>{"constant", "linear", "cosine", "stable"}));
  for (const std::string& name : schedule_names()) EXPECT_EQ(schedule_name(schedule_called(name)), name);
}

TEST(Schedule, KnownPoints) {
  const Schedule linear{.kind = ScheduleKind::kLinear, .rate = 2, .steps = 10, .final_fraction = 0.5f};
  EXPECT_FLOAT_EQ(rate_at(linear, 5), 1.5f);
  const Schedule cosine{.kind = ScheduleKind::kCosine, .rate = 2, .steps = 12};
  EXPECT_FLOAT_EQ(rate_at(cosine, 6), 1.0f);
  EXPECT_NEAR(rate_at(cosine, 4), 1.5f, 1e-6f);
  const Schedule stable{.kind = ScheduleKind::kStable, .rate = 2, .steps = 100, .decay_steps = 20};
  EXPECT_FLOAT_EQ(rate_at(stable, 79), 2.0f);
  EXPECT_FLOAT_EQ(rate_at(stable, 90), 1.0f);
}

TEST(Schedule, NeverRisesAfterTheWarmupAndNeverFallsBelowItsEnd) {
  for (const auto kind : {ScheduleKind::kLinear, ScheduleKind::kCosine, ScheduleKind::kStable}) {
    for (const int64_t steps : {1, 2, 7, 50}) {
      const Schedule schedule{.kind = kind,
                              .rate = 3,
                              .steps = steps,
                              .warmup_steps = steps / 3,
                              .decay_steps = steps / 2,
                              .final_fraction = 0.1f};
      for (int64_t step = schedule.warmup_steps; step < steps + 5; ++step) {
        EXPECT_LE(rate_at(schedule, step + 1), rate_at(schedule, step));
        EXPECT_GE(rate_at(schedule, step), 0.3f - 1e-6f);
      }
    }
  }
}

}  // namespace
}  // namespace linnet
