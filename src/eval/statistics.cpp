#include "eval/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/random.hpp"

namespace linnet {

namespace {

// One drawing of n items with replacement, the same for every metric with the same seed.
void draw(Random& random, std::vector<uint32_t>& places) {
  for (uint32_t& place : places) place = static_cast<uint32_t>(random.below(places.size()));
}

double resampled(const Metric& metric, const std::vector<uint32_t>& places, std::vector<double>& sums) {
  sums.assign(metric.width, 0);
  for (const uint32_t place : places) {
    const double* item = metric.items.data() + place * metric.width;
    for (size_t w = 0; w < metric.width; ++w) sums[w] += item[w];
  }
  return metric.finish(sums, places.size());
}

double deviation(std::span<const double> values) {
  double sum = 0;
  for (const double x : values) sum += x;
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const double x : values) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

bool is_mean(const Metric& metric) {
  return metric.width == 1;
}

}  // namespace

double Metric::value() const {
  if (items.empty()) return 0;
  std::vector<double> sums(width, 0);
  for (size_t i = 0; i < items.size(); ++i) sums[i % width] += items[i];
  return finish(sums, size());
}

Metric mean_metric(std::string name, std::vector<double> items) {
  return {std::move(name), 1, std::move(items),
          [](std::span<const double> sums, size_t n) { return sums[0] / static_cast<double>(n); }};
}

Estimate estimate(const Metric& metric, uint64_t seed) {
  Estimate out{metric.value(), 0, is_mean(metric) ? ErrorKind::kMean : ErrorKind::kBootstrap};
  if (metric.size() < 2) return out;
  if (is_mean(metric)) {
    out.standard_error = deviation(metric.items) / std::sqrt(static_cast<double>(metric.size()));
    return out;
  }
  Random random(seed);
  std::vector<uint32_t> places(metric.size());
  std::vector<double> sums, values;
  for (int r = 0; r < kResamples; ++r) {
    draw(random, places);
    values.push_back(resampled(metric, places, sums));
  }
  out.standard_error = deviation(values);
  return out;
}

PairedDifference compare_paired(const Metric& a, const Metric& b, uint64_t seed) {
  CHECK(a.size() == b.size() && a.size() > 0);
  PairedDifference out{.difference = b.value() - a.value()};
  Random random(seed);
  std::vector<uint32_t> places(a.size());
  std::vector<double> sums, values;
  int not_above = 1, not_below = 1;
  for (int r = 0; r < kResamples; ++r) {
    draw(random, places);
    const double difference = resampled(b, places, sums) - resampled(a, places, sums);
    values.push_back(difference);
    not_above += difference <= 0 ? 1 : 0;
    not_below += difference >= 0 ? 1 : 0;
  }
  std::sort(values.begin(), values.end());
  out.low = values[kResamples / 40];
  out.high = values[kResamples - 1 - kResamples / 40];
  out.p = std::min(1.0, 2.0 * std::min(not_above, not_below) / (kResamples + 1));
  return out;
}

}  // namespace linnet
