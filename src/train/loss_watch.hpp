// Tells a loss that jumps from losses that wander. Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <limits>
#include <optional>

namespace linnet {

class LossWatch {
 public:
  // Losses may lie `deviations` standard deviations of the last ones above their mean; 0: wherever they like. While too
  // few are known for that, and after, they may not lie above both `ceiling` and twice the first.
  explicit LossWatch(double deviations, double ceiling = std::numeric_limits<double>::infinity())
      : deviations_(deviations), ceiling_(ceiling) {}

  // What the next loss may be at most; infinite where nothing is known.
  double most() const;
  void take(double loss);

 private:
  double deviations_;
  double ceiling_;
  std::optional<double> first_;
  std::deque<double> last_;
};

}  // namespace linnet
