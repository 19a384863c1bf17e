// Tells a loss that jumps from losses that wander. Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <deque>

namespace linnet {

class LossWatch {
 public:
  // Losses may lie `deviations` standard deviations of the last ones above their mean; 0: wherever they like.
  explicit LossWatch(double deviations) : deviations_(deviations) {}

  // What the next loss may be at most; infinite while too few are known.
  double most() const;
  void take(double loss);

 private:
  double deviations_;
  std::deque<double> last_;
};

}  // namespace linnet
