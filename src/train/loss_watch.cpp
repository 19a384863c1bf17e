#include "train/loss_watch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace linnet {

namespace {

constexpr size_t kWindow = 50;
// Losses that hardly differ are no reason to stop at one that differs a little: of the mean, at least so much.
constexpr double kLeastDeviation = 0.05;

}  // namespace

double LossWatch::most() const {
  if (deviations_ <= 0 || last_.size() < kWindow) return std::numeric_limits<double>::infinity();
  const auto count = static_cast<double>(last_.size());
  double mean = 0;
  for (const double loss : last_) mean += loss / count;
  double variance = 0;
  for (const double loss : last_) variance += (loss - mean) * (loss - mean) / count;
  return mean + deviations_ * std::max(std::sqrt(variance), kLeastDeviation * std::abs(mean));
}

void LossWatch::take(double loss) {
  last_.push_back(loss);
  if (last_.size() > kWindow) last_.pop_front();
}

}  // namespace linnet
