// Scores of many items, how sure they are, and whether one model's are better than another's.
//
// Every score here is a function of sums over items: a mean, BLEU's counts, a confusion matrix. So one bootstrap
// (Efron 1979) serves all, and two models are compared on the same resampled items (paired bootstrap, Koehn 2004,
// "Statistical significance tests for machine translation evaluation").
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace linnet {

// One score of a task: what each item adds to the sums, and the score that sums make.
class Metric {
 public:
  using Finish = std::function<double(std::span<const double> sums, size_t items)>;
  // `width`: how many sums there are. Of one sum it is a mean, and made by mean_metric().
  Metric(std::string name, size_t width, Finish finish);

  // An item that adds numbers[i] to sum i.
  void add(std::span<const double> numbers);
  // An item that adds 1 to each of `sums`.
  void count(std::initializer_list<size_t> sums);
  // All items of `other`, which is the same score.
  void append(const Metric& other);

  const std::string& name() const { return name_; }
  size_t size() const { return ends_.size(); }
  bool is_mean() const { return width_ == 1; }
  double number(size_t item) const;  // of a mean: what the item counts

  std::vector<double> sums() const;  // over all items
  double value() const;              // over all items; 0 where there is none
  // Over the items at `places`, at least one; `sums` is room to work in.
  double value(std::span<const uint32_t> places, std::vector<double>& sums) const;

 private:
  // Of many sums (F1 has three a class) an item adds to few.
  struct Term {
    uint32_t sum;
    double number;
  };

  std::string name_;
  size_t width_;
  Finish finish_;
  std::vector<Term> terms_;
  std::vector<size_t> ends_;  // of each item's terms
};

// The mean of one number an item.
Metric mean_metric(std::string name, const std::vector<double>& items);

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
