#include "tasks/teaching_forecast.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(TeachingForecast, SaysAtTheSecondStepWhatAllOfThemTake) {
  TeachingForecast forecast({.steps = 10, .tokens_per_step = 100});
  EXPECT_FALSE(forecast.step(0, 5));
  EXPECT_DOUBLE_EQ(forecast.step(1, 2).value_or(0), 5 + 2 + 8 * 2);
  EXPECT_FALSE(forecast.step(2, 2));
}

TEST(TeachingForecast, AnEvaluationIsAThirdOfTheArithmetic) {
  TeachingForecast forecast({.steps = 10, .tokens_per_step = 100, .evaluate_every = 4, .tokens_per_evaluation = 300});
  forecast.step(0, 2);
  EXPECT_DOUBLE_EQ(forecast.step(1, 2).value_or(0), 2 + 2 + 8 * 2 + 3 * 2);  // after 4, 8, 10 steps
}

TEST(TeachingForecast, OfARunThatGoesOnOnlyWhatIsLeft) {
  TeachingForecast forecast({.steps = 10, .tokens_per_step = 100});
  forecast.step(7, 3);
  EXPECT_DOUBLE_EQ(forecast.step(8, 1).value_or(0), 3 + 1 + 1);
}

}  // namespace
}  // namespace linnet
