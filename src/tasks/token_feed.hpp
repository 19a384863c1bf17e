// Which tokens each step of a run learns from: a function of the step alone, so that a run can stop and go on anywhere.
// Thread safety: one thread at a time.
#pragma once

#include <span>
#include <vector>

#include "data/pack.hpp"
#include "train/token_loss.hpp"

namespace linnet {

// The sequences of `row`, side by side, with a target for each token that is learned.
TokenBatch batch_of(const TokenSet& set, const PackedRow& row);

class TokenFeed {
 public:
  // Every sequence of `set` once in each epoch, packed in rows of `row_length` tokens in an order of that epoch's own;
  // a step takes `rows_per_step` of them, the last of an epoch what is left. dropout: the part that batches drop.
  TokenFeed(TokenSet set, int64_t row_length, int64_t rows_per_step, int64_t epochs, uint64_t seed, float dropout = 0);

  int64_t steps() const { return first_step_.back(); }
  int64_t steps_of_first_epoch() const { return first_step_[1]; }
  // The step's rows. Requires 0 <= step < steps(). Steps in their order pack each epoch once. Valid until the next
  // call.
  std::span<const PackedRow> rows(int64_t step);
  // A batch for each of them.
  std::vector<TokenBatch> batches(int64_t step);
  // Of row `i` of a step.
  DropoutMask dropout(int64_t step, size_t i) const;
  // All sequences once, in rows of `row_length` tokens.
  static std::vector<TokenBatch> all(const TokenSet& set, int64_t row_length);

  const TokenSet& set() const { return set_; }

 private:
  const std::vector<PackedRow>& rows_of(int64_t epoch);

  TokenSet set_;
  uint32_t row_length_;
  int64_t rows_per_step_;
  uint64_t seed_;
  float dropout_;
  std::vector<int64_t> first_step_;  // of each epoch, and one past the last
  int64_t epoch_ = -1;               // whose rows are at hand
  std::vector<PackedRow> rows_;
};

}  // namespace linnet
