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

double deviation(std::span<const double> values) {
  double sum = 0;
  for (const double x : values) sum += x;
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const double x : values) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace

Metric::Metric(std::string name, size_t width, Finish finish)
    : name_(std::move(name)), width_(width), finish_(std::move(finish)) {
  CHECK(width >= 1 && width <= UINT32_MAX);
}

void Metric::add(std::span<const double> numbers) {
  CHECK(numbers.size() == width_);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != 0) terms_.push_back({static_cast<uint32_t>(i), numbers[i]});
  }
  ends_.push_back(terms_.size());
}

void Metric::count(std::initializer_list<size_t> sums) {
  for (const size_t sum : sums) {
    CHECK(sum < width_);
    terms_.push_back({static_cast<uint32_t>(sum), 1});
  }
  ends_.push_back(terms_.size());
}

void Metric::append(const Metric& other) {
  CHECK(other.width_ == width_);
  const size_t before = terms_.size();
  terms_.insert(terms_.end(), other.terms_.begin(), other.terms_.end());
  for (const size_t end : other.ends_) ends_.push_back(before + end);
}

double Metric::number(size_t item) const {
  CHECK(is_mean() && item < size());
  const size_t begin = item == 0 ? 0 : ends_[item - 1];
  return begin < ends_[item] ? terms_[begin].number : 0;
}

std::vector<double> Metric::sums() const {
  std::vector<double> sums(width_, 0);
  for (const Term& term : terms_) sums[term.sum] += term.number;
  return sums;
}

double Metric::value() const {
  return size() == 0 ? 0 : finish_(sums(), size());
}

double Metric::value(std::span<const uint32_t> places, std::vector<double>& sums) const {
  sums.assign(width_, 0);
  for (const uint32_t place : places) {
    for (size_t t = place == 0 ? 0 : ends_[place - 1]; t < ends_[place]; ++t) sums[terms_[t].sum] += terms_[t].number;
  }
  return finish_(sums, places.size());
}

Metric mean_metric(std::string name, const std::vector<double>& items) {
  Metric metric(std::move(name), 1,
                [](std::span<const double> sums, size_t n) { return sums[0] / static_cast<double>(n); });
  for (const double item : items) metric.add(std::span(&item, 1));
  return metric;
}

Estimate estimate(const Metric& metric, uint64_t seed) {
  Estimate out{metric.value(), 0, metric.is_mean() ? ErrorKind::kMean : ErrorKind::kBootstrap};
  if (metric.size() < 2) return out;
  if (metric.is_mean()) {
    std::vector<double> numbers(metric.size());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = metric.number(i);
    out.standard_error = deviation(numbers) / std::sqrt(static_cast<double>(metric.size()));
    return out;
  }
  Random random(seed);
  std::vector<uint32_t> places(metric.size());
  std::vector<double> sums, values;
  for (int r = 0; r < kResamples; ++r) {
    draw(random, places);
    values.push_back(metric.value(places, sums));
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
    const double difference = b.value(places, sums) - a.value(places, sums);
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
