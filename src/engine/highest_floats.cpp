#include "engine/highest_floats.hpp"

#include <functional>
#include <limits>

#include "base/check.hpp"

namespace linnet {

void HighestFloats::scan(std::span<const float> values) {
  CHECK(!values.empty());
  constexpr size_t kLanes = 16;  // chains of comparisons that do not wait for each other: the compiler makes vectors
  blocks_.clear();
  size_t i = 0;
  for (; i + kBlock <= values.size(); i += kBlock) {
    float lanes[kLanes];
    std::copy_n(values.data() + i, kLanes, lanes);
    for (size_t at = kLanes; at < kBlock; at += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float x = values[i + at + lane];
        lanes[lane] = x > lanes[lane] ? x : lanes[lane];
      }
    }
    blocks_.push_back(*std::max_element(lanes, lanes + kLanes));
  }
  if (i < values.size())
    blocks_.push_back(*std::max_element(values.begin() + static_cast<std::ptrdiff_t>(i), values.end()));
  highest_ = *std::max_element(blocks_.begin(), blocks_.end());
}

int32_t HighestFloats::place(std::span<const float> values) const {
  const auto block = std::find(blocks_.begin(), blocks_.end(), highest_) - blocks_.begin();
  const auto begin = values.begin() + block * static_cast<std::ptrdiff_t>(kBlock);
  return static_cast<int32_t>(std::find(begin, values.end(), highest_) - values.begin());
}

float HighestFloats::reached_by(size_t count) {
  if (count == 0 || count > blocks_.size()) return -std::numeric_limits<float>::infinity();
  // `count` blocks have such a maximum, and each of those is a number of its own.
  sorted_ = blocks_;
  const auto nth = sorted_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(sorted_.begin(), nth, sorted_.end(), std::greater<>());
  return *nth;
}

}  // namespace linnet
