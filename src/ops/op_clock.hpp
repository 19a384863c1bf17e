// Where the time of a forward goes, op by op. A Context without a clock measures nothing.
// Ownership: names are borrowed and live for the whole program. Thread safety: one thread at a time, as its Context.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ops/context.hpp"

namespace linnet {

struct OpTime {
  std::string_view name;
  double seconds = 0;
  int64_t calls = 0;
};

class OpClock {
 public:
  void add(std::string_view name, double seconds);
  // Each op once, the longest first.
  std::vector<OpTime> times() const;

 private:
  std::vector<OpTime> times_;
};

// Adds the time until the end of its block to the clock of `ctx`, where there is one. Ops do not nest: an op that calls
// another does not time itself.
class OpTimer {
 public:
  using Clock = std::chrono::steady_clock;

  OpTimer(Context& ctx, std::string_view name) : clock_(ctx.clock()), name_(name) {
    if (clock_) start_ = Clock::now();
  }
  ~OpTimer() {
    if (clock_) clock_->add(name_, std::chrono::duration<double>(Clock::now() - start_).count());
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  OpClock* clock_;
  std::string_view name_;
  Clock::time_point start_;
};

}  // namespace linnet
