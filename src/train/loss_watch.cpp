#include "train/loss_watch.hpp"

#include <algorithm>
#include <cmath>

namespace linnet {

namespace {

constexpr size_t kWindow = 50;
// Losses that hardly differ are no reason to stop at one that differs a little: of the mean, at least so much.
constexpr double kLeastDeviation = 0.05;
constexpr double kTimesFirst = 2;

}  // namespace

double LossWatch::most() const {
  if (deviations_ <= 0 || !first_) return std::numeric_limits<double>::infinity();
  const double highest = std::max(ceiling_, kTimesFirst * *first_);
  if (last_.size() < kWindow) return highest;
  const auto count = static_cast<double>(last_.size());
  double mean = 0;
  for (const double loss : last_) mean += loss / count;
  double variance = 0;
  for (const double loss : last_) variance += (loss - mean) * (loss - mean) / count;
  return std::min(highest, mean + deviations_ * std::max(std::sqrt(variance), kLeastDeviation * std::abs(mean)));
}

void LossWatch::take(double loss) {
  if (!first_) first_ = loss;
  last_.push_back(loss);
  if (last_.size() > kWindow) last_.pop_front();
}

}  // namespace linnet
