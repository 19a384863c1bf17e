// Seconds that pass. Thread safety: as a number's.
#pragma once

#include <chrono>

namespace linnet {

class Stopwatch {
 public:
  // Since it was made, or started again.
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void restart() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace linnet
