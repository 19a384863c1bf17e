#include "tasks/preference_feed.hpp"

#include <algorithm>
#include <numeric>

#include "base/check.hpp"
#include "data/split.hpp"

namespace linnet {

namespace {

std::vector<size_t> pair_lengths(const TokenSet& replies) {
  CHECK(replies.sequences.size() % 2 == 0);
  std::vector<size_t> lengths;
  for (size_t i = 0; i < replies.sequences.size(); i += 2) {
    lengths.push_back(replies.sequences[i].tokens.size() + replies.sequences[i + 1].tokens.size());
  }
  return lengths;
}

// Pairs one after the other, a new row where the next does not fit.
std::vector<PackedRow> fill(std::span<const uint32_t> pairs, const std::vector<size_t>& lengths, int64_t row_length) {
  std::vector<PackedRow> rows;
  size_t room = 0;
  for (const uint32_t pair : pairs) {
    if (rows.empty() || lengths[pair] > room) {
      rows.emplace_back();
      room = static_cast<size_t>(row_length);
    }
    rows.back().push_back(2 * pair);
    rows.back().push_back(2 * pair + 1);
    room -= std::min(room, lengths[pair]);
  }
  return rows;
}

}  // namespace

PreferenceFeed::PreferenceFeed(const TokenSet& replies, int64_t row_length, int64_t pairs_per_step, int64_t epochs,
                               uint64_t seed)
    : lengths_(pair_lengths(replies)),
      row_length_(row_length),
      pairs_per_step_(pairs_per_step),
      epochs_(epochs),
      seed_(seed),
      steps_of_epoch_((static_cast<int64_t>(lengths_.size()) + pairs_per_step - 1) / pairs_per_step) {
  CHECK(!lengths_.empty() && row_length > 0 && pairs_per_step > 0 && epochs > 0);
}

std::vector<PackedRow> PreferenceFeed::rows(int64_t step) const {
  CHECK(step >= 0 && step < steps());
  const std::vector<uint32_t> order = shuffled(lengths_.size(), seed_, static_cast<uint64_t>(step / steps_of_epoch_));
  const auto begin = static_cast<size_t>(step % steps_of_epoch_ * pairs_per_step_);
  const size_t count = std::min(static_cast<size_t>(pairs_per_step_), order.size() - begin);
  return fill(std::span(order).subspan(begin, count), lengths_, row_length_);
}

std::vector<PackedRow> PreferenceFeed::all(const TokenSet& replies, int64_t row_length) {
  const std::vector<size_t> lengths = pair_lengths(replies);
  std::vector<uint32_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0U);
  return fill(order, lengths, row_length);
}

}  // namespace linnet
