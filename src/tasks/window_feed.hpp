// Which tokens each step of pretraining learns from: windows of a stream, each epoch's cut at another offset and in
// another order. A function of the step alone, so that a run can stop and go on anywhere.
// Ownership: borrows the stream. Thread safety: one thread at a time.
#pragma once

#include <algorithm>
#include <vector>

#include "tasks/token_stream.hpp"
#include "train/token_loss.hpp"

namespace linnet {

// Tokens [begin, end) of a stream.
struct WindowRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

struct WindowSettings {
  WindowRange range;
  int64_t length = 0;            // tokens that a window predicts: it reads one more
  int64_t windows_per_step = 0;  // of the last step of an epoch, what is left
  int64_t windows_per_part = 0;  // that are computed together
  float dropout = 0;
  uint64_t seed = 0;
};

class WindowFeed {
 public:
  // Requires a window, and a token more, in the range.
  WindowFeed(const TokenStream& stream, const WindowSettings& settings);

  int64_t steps_per_epoch() const;
  // A batch for each part of step `step` >= 0.
  std::vector<TokenBatch> batches(int64_t step);

  // Windows side by side over all of `range`, in batches of up to `per_batch`; a rest that fills none is left out.
  static std::vector<TokenBatch> all(const TokenStream& stream, const WindowRange& range, int64_t length,
                                     int64_t per_batch);

 private:
  int64_t windows() const {  // of an epoch, wherever it begins
    return std::max<int64_t>((settings_.range.size() - settings_.length) / settings_.length, 1);
  }

  const TokenStream& stream_;
  WindowSettings settings_;
  int64_t epoch_ = -1;           // whose order is at hand
  int64_t offset_ = 0;           // of its first window
  std::vector<uint32_t> order_;  // of its windows
};

}  // namespace linnet
