// Which replies each step of a run compares: a function of the step alone. Thread safety: values.
#pragma once

#include <vector>

#include "data/pack.hpp"

namespace linnet {

class PreferenceFeed {
 public:
  // Replies 2p and 2p + 1 of `replies` are pair p. In each epoch every pair once, in an order of that epoch's own; a
  // step takes `pairs_per_step` of them, the last of an epoch what is left.
  PreferenceFeed(const TokenSet& replies, int64_t row_length, int64_t pairs_per_step, int64_t epochs, uint64_t seed);

  int64_t steps() const { return steps_of_epoch_ * epochs_; }
  int64_t steps_of_epoch() const { return steps_of_epoch_; }
  // The step's pairs, in rows of up to `row_length` tokens; a pair that is longer has a row of its own. Requires
  // 0 <= step < steps().
  std::vector<PackedRow> rows(int64_t step) const;

  // All pairs once, in their order.
  static std::vector<PackedRow> all(const TokenSet& replies, int64_t row_length);

 private:
  std::vector<size_t> lengths_;  // of each pair, in tokens
  int64_t row_length_;
  int64_t pairs_per_step_;
  int64_t epochs_;
  uint64_t seed_;
  int64_t steps_of_epoch_;
};

}  // namespace linnet
