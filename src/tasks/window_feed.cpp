#include "tasks/window_feed.hpp"

#include <algorithm>
#include <numeric>

#include "base/check.hpp"
#include "base/random.hpp"

namespace linnet {

namespace {

// Adds the window that begins at `begin` to a batch.
void add_window(const TokenStream& stream, int64_t begin, int64_t length, TokenBatch& batch) {
  std::vector<int32_t> tokens(static_cast<size_t>(length) + 1);
  stream.read(begin, tokens);
  const int64_t row = batch.batch.rows();
  batch.batch.sequences.push_back({.row_begin = row, .rows = length});
  batch.batch.tokens.insert(batch.batch.tokens.end(), tokens.begin(), tokens.end() - 1);
  batch.targets.insert(batch.targets.end(), tokens.begin() + 1, tokens.end());
  for (int64_t i = 0; i < length; ++i) batch.batch.logit_rows.push_back(static_cast<int32_t>(row + i));
}

}  // namespace

WindowFeed::WindowFeed(const TokenStream& stream, const WindowSettings& settings)
    : stream_(stream), settings_(settings) {
  CHECK(settings.length > 0 && settings.windows_per_step > 0 && settings.windows_per_part > 0);
  settings_.windows_per_step = std::min(settings.windows_per_step, windows());
  CHECK(settings.range.size() > settings.length);
}

int64_t WindowFeed::steps_per_epoch() const {
  return (windows() + settings_.windows_per_step - 1) / settings_.windows_per_step;
}

std::vector<TokenBatch> WindowFeed::batches(int64_t step) {
  CHECK(step >= 0);
  const int64_t epoch = step / steps_per_epoch();
  if (epoch != epoch_) {
    Random random(settings_.seed, static_cast<uint64_t>(epoch));
    const int64_t room = settings_.range.size() - windows() * settings_.length;  // the last window reads one more
    offset_ = static_cast<int64_t>(random.below(static_cast<uint64_t>(std::min(room, settings_.length))));
    order_.resize(static_cast<size_t>(windows()));
    std::iota(order_.begin(), order_.end(), 0u);
    shuffle(order_, random);
    epoch_ = epoch;
  }
  const int64_t first = step % steps_per_epoch() * settings_.windows_per_step;
  const int64_t last = std::min(first + settings_.windows_per_step, windows());
  std::vector<TokenBatch> batches;
  const int64_t parts = (settings_.windows_per_step + settings_.windows_per_part - 1) / settings_.windows_per_part;
  for (int64_t at = first; at < last; at += settings_.windows_per_part) {
    TokenBatch batch;
    for (int64_t i = at; i < std::min(at + settings_.windows_per_part, last); ++i) {
      const int64_t window = order_[static_cast<size_t>(i)];
      add_window(stream_, settings_.range.begin + offset_ + window * settings_.length, settings_.length, batch);
    }
    batch.batch.dropout = {.rate = settings_.dropout,
                           .seed = settings_.seed,
                           .draw = static_cast<uint32_t>(step * parts + static_cast<int64_t>(batches.size()))};
    batches.push_back(std::move(batch));
  }
  return batches;
}

std::vector<TokenBatch> WindowFeed::all(const TokenStream& stream, const WindowRange& range, int64_t length,
                                        int64_t per_batch) {
  std::vector<TokenBatch> batches;
  for (int64_t begin = range.begin; begin + length + 1 <= range.end; begin += length) {
    if (batches.empty() || static_cast<int64_t>(batches.back().batch.sequences.size()) >= per_batch) {
      batches.emplace_back();
    }
    add_window(stream, begin, length, batches.back());
  }
  return batches;
}

}  // namespace linnet
