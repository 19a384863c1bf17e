// The largest of very many numbers, found by the maxima of short blocks: one pass that vectors run through, and then
// only the blocks that matter.
//
// Ownership: keeps the maxima, none of the numbers. Thread safety: one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace linnet {

class HighestFloats {
 public:
  // Reads `values` (finite, at least one) once.
  void scan(std::span<const float> values);
  float value() const { return highest_; }
  // The first place of the highest. values: those that were scanned.
  int32_t place(std::span<const float> values) const;
  // Calls visit(index) for every number that is at least `low`, in order. values: those that were scanned.
  template <class Visit>
  void for_each_from(std::span<const float> values, float low, const Visit& visit) const {
    for (size_t b = 0; b < blocks_.size(); ++b) {
      if (blocks_[b] < low) continue;
      const size_t end = std::min((b + 1) * kBlock, values.size());
      for (size_t i = b * kBlock; i < end; ++i) {
        if (values[i] >= low) visit(static_cast<int32_t>(i));
      }
    }
  }
  // A number that at least `count` of those scanned reach, and seldom many more; -infinity for a count that comes near
  // theirs.
  float reached_by(size_t count);

 private:
  static constexpr size_t kBlock = 64;
  std::vector<float> blocks_;  // the highest of each block
  std::vector<float> sorted_;
  float highest_ = 0;
};

}  // namespace linnet
