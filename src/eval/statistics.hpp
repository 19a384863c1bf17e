// Scores of many items, how sure they are, and whether one model's are better than another's.
//
// Every score here is a function of sums over items: a mean, BLEU's counts, a confusion matrix. So one bootstrap
// (Efron 1979) serves all, and two models are compared on the same resampled items (paired bootstrap, Koehn 2004,
// "Statistical significance tests for machine translation evaluation").
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace linnet {

// One score of a task: what each item adds to the sums, and the score that sums make.
struct Metric {
  std::string name;
  size_t width = 1;           // numbers that an item adds
  std::vector<double> items;  // (items, width)
  std::function<double(std::span<const double> sums, size_t items)> finish;

  size_t size() const { return items.size() / width; }
  void add(std::span<const double> numbers) { items.insert(items.end(), numbers.begin(), numbers.end()); }
  double value() const;  // over all items; 0 where there is none
};

// The mean of one number an item.
Metric mean_metric(std::string name, std::vector<double> items);

enum class ErrorKind : uint8_t {
  kMean,       // sample deviation over √n; of numbers that are 0 or 1, √(p(1 - p)/(n - 1)), the binomial one
  kBootstrap,  // deviation of the score over kResamples resamplings of the items
};
inline constexpr int kResamples = 1000;

struct Estimate {
  double value = 0;
  double standard_error = 0;
  ErrorKind kind = ErrorKind::kMean;
};

// A mean's error is exact, every other score's is bootstrapped with `seed`. Fewer than two items: no error (0).
Estimate estimate(const Metric& metric, uint64_t seed);

// b beside a, over the same items in the same order.
struct PairedDifference {
  double difference = 0;  // of b from a
  double low = 0;         // the middle 95% of the resampled differences
  double high = 0;
  // Two-sided: twice the share of resamplings (with the data themselves as one of them) whose difference is not on the
  // side where it is; at most 1. Equal models: 1.
  double p = 1;
};
PairedDifference compare_paired(const Metric& a, const Metric& b, uint64_t seed);

}  // namespace linnet
