#include "eval/statistics.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "base/random.hpp"

namespace linnet {
namespace {

// A mean whose error is asked of the bootstrap.
Metric bootstrapped_mean(const std::vector<double>& items) {
  Metric metric("mean", 2, [](std::span<const double> sums, size_t) { return sums[0] / sums[1]; });
  for (const double x : items) metric.add(std::vector<double>{x, 1});
  return metric;
}

TEST(Statistics, ABinomialErrorIsThatOfTheMean) {
  std::vector<double> items(400, 0.0);
  for (size_t i = 0; i < 100; ++i) items[4 * i] = 1;
  const Estimate told = estimate(mean_metric("acc", items), 0);
  EXPECT_DOUBLE_EQ(told.value, 0.25);
  EXPECT_NEAR(told.standard_error, std::sqrt(0.25 * 0.75 / 399), 1e-12);
  EXPECT_EQ(told.kind, ErrorKind::kMean);
}

TEST(Statistics, TheBootstrapComesNearTheExactError) {
  Random random(3);
  std::vector<double> items;
  for (int i = 0; i < 500; ++i) items.push_back(random.normal());
  const double exact = estimate(mean_metric("x", items), 0).standard_error;
  const Estimate told = estimate(bootstrapped_mean(items), 1);
  EXPECT_EQ(told.kind, ErrorKind::kBootstrap);
  EXPECT_NEAR(told.standard_error, exact, exact * 0.1);  // the deviation of 1000 draws is within 2.2% (one sigma)
  EXPECT_EQ(told.standard_error, estimate(bootstrapped_mean(items), 1).standard_error);
  EXPECT_NE(told.standard_error, estimate(bootstrapped_mean(items), 2).standard_error);
}

// Numbers that are 0 are items, too, and two halves are the whole.
TEST(Statistics, AMetricKeepsEveryItem) {
  Metric metric("m", 3, [](std::span<const double> sums, size_t n) {
    return sums[0] + 10 * sums[1] + 100 * sums[2] + 1000 * static_cast<double>(n);
  });
  metric.add(std::vector<double>{0, 0, 0});
  metric.add(std::vector<double>{1, 0, 2});
  Metric other = metric;
  other.count({0, 1});
  metric.append(other);
  EXPECT_EQ(metric.size(), 5U);
  EXPECT_EQ(metric.sums(), (std::vector<double>{3, 1, 4}));
  EXPECT_EQ(metric.value(), 5413);
  std::vector<double> room;
  EXPECT_EQ(metric.value(std::vector<uint32_t>{4, 1, 4, 0}, room), 4223);
  const Metric mean = mean_metric("x", {0, 3, 0});
  EXPECT_EQ(mean.number(0), 0);
  EXPECT_EQ(mean.number(1), 3);
  EXPECT_EQ(mean.number(2), 0);
}

TEST(Statistics, FewItemsHaveNoError) {
  EXPECT_EQ(estimate(mean_metric("x", {}), 0).value, 0);
  EXPECT_EQ(estimate(mean_metric("x", {3}), 0).standard_error, 0);
  EXPECT_EQ(estimate(bootstrapped_mean({3}), 0).standard_error, 0);
}

TEST(Statistics, ADifferenceThatEveryItemHasIsSure) {
  std::vector<double> a, b;
  Random random(5);
  for (int i = 0; i < 60; ++i) {
    a.push_back(random.normal());
    b.push_back(a.back() + 0.1 + 0.01 * random.normal());
  }
  const PairedDifference told = compare_paired(mean_metric("x", a), mean_metric("x", b), 0);
  EXPECT_NEAR(told.difference, 0.1, 0.01);
  EXPECT_GT(told.low, 0.09);
  EXPECT_LT(told.high, 0.11);
  EXPECT_LE(told.p, 2.0 / (kResamples + 1));
  const PairedDifference back = compare_paired(mean_metric("x", b), mean_metric("x", a), 0);
  EXPECT_NEAR(back.difference, -told.difference, 1e-12);
  EXPECT_EQ(back.p, told.p);
}

TEST(Statistics, AModelIsNotBetterThanItself) {
  const Metric metric = mean_metric("x", {0, 1, 1, 0, 1});
  const PairedDifference told = compare_paired(metric, metric, 0);
  EXPECT_EQ(told.difference, 0);
  EXPECT_EQ(told.p, 1);
}

// Under the hypothesis that nothing differs, p below 0.05 must come about as often as that.
TEST(Statistics, PIsRightWhereNothingDiffers) {
  Random random(11);
  int low = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> a, b;
    for (int i = 0; i < 80; ++i) {
      a.push_back(random.below(2) == 1 ? 1 : 0);
      b.push_back(random.below(2) == 1 ? 1 : 0);
    }
    low += compare_paired(mean_metric("x", a), mean_metric("x", b), 0).p < 0.05 ? 1 : 0;
  }
  EXPECT_GE(low, 1);
  EXPECT_LE(low, 24);  // 10 ± 3.1 are expected
}

}  // namespace
}  // namespace linnet
