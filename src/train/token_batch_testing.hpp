// Texts for tests of training.
#pragma once

#include <vector>

#include "base/random.hpp"
#include "train/token_loss.hpp"

namespace linnet {

// A batch of sequences with random tokens; the last token of each predicts nothing.
inline TokenBatch random_batch(int64_t vocab, const std::vector<int64_t>& lengths, uint64_t seed) {
  TokenBatch batch;
  Random random(seed);
  for (const int64_t length : lengths) {
    const int64_t begin = batch.batch.rows();
    batch.batch.sequences.push_back({.row_begin = begin, .rows = length});
    for (int64_t i = 0; i < length; ++i) {
      batch.batch.tokens.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
    }
    for (int64_t i = begin; i + 1 < begin + length; ++i) {
      batch.batch.logit_rows.push_back(static_cast<int32_t>(i));
      batch.targets.push_back(batch.batch.tokens[static_cast<size_t>(i) + 1]);
    }
  }
  return batch;
}

}  // namespace linnet
