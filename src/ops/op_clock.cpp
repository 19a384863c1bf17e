#include "ops/op_clock.hpp"

#include <algorithm>

namespace linnet {

void OpClock::add(std::string_view name, double seconds) {
  auto found = std::find_if(times_.begin(), times_.end(), [&](const OpTime& t) { return t.name == name; });
  if (found == times_.end()) found = times_.insert(found, {name});
  found->seconds += seconds;
  ++found->calls;
}

std::vector<OpTime> OpClock::times() const {
  std::vector<OpTime> sorted = times_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const OpTime& a, const OpTime& b) { return a.seconds > b.seconds; });
  return sorted;
}

}  // namespace linnet
