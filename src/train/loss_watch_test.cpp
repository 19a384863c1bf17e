#include "train/loss_watch.hpp"

#include <cmath>
#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(LossWatch, ToleratesAFallAndNoiseButNotAJump) {
  LossWatch watch(10);
  for (int step = 0; step < 400; ++step) {
    const double loss = 1.5 + 3 * std::exp(-step / 40.0) + 0.1 * std::sin(step * 7.3);
    EXPECT_LT(loss, watch.most()) << step;
    watch.take(loss);
  }
  EXPECT_LT(watch.most(), 3);
  EXPECT_GT(watch.most(), 2);
}

TEST(LossWatch, KnowsNothingBeforeItHasSeenEnoughOrWhereItIsOff) {
  LossWatch watch(10);
  LossWatch off(0);
  for (int step = 0; step < 49; ++step) watch.take(1);
  EXPECT_TRUE(std::isinf(watch.most()));
  watch.take(1);
  EXPECT_NEAR(watch.most(), 1.5, 1e-9);  // equal losses: half as much again
  for (int step = 0; step < 100; ++step) off.take(1);
  EXPECT_TRUE(std::isinf(off.most()));
}

TEST(LossWatch, ACeilingHoldsFromTheSecondLossOnUnlessTheFirstWasNearIt) {
  LossWatch watch(10, 20);
  EXPECT_TRUE(std::isinf(watch.most()));
  watch.take(7);
  EXPECT_EQ(watch.most(), 20);
  LossWatch high(10, 20);
  high.take(15);
  EXPECT_EQ(high.most(), 30);
  LossWatch off(0, 20);
  off.take(7);
  EXPECT_TRUE(std::isinf(off.most()));
}

}  // namespace
}  // namespace linnet
