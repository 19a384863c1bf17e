#include "data/pack.hpp"

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "data/split.hpp"

namespace linnet {

namespace {

// Apart from the order of samples, which takes the epoch's own number.
constexpr uint64_t kRowOrder = uint64_t{1} << 62;

// What is as short as this part of a row fits well enough in any order.
constexpr uint32_t kShortPart = 4;

}  // namespace

std::vector<PackedRow> pack_best_fit(std::span<const uint32_t> lengths, std::span<const uint32_t> order,
                                     uint32_t row_length) {
  CHECK(lengths.size() == order.size());
  std::vector<uint32_t> decreasing(order.begin(), order.end());
  const uint32_t short_ones = row_length / kShortPart;
  std::ranges::stable_sort(decreasing, std::ranges::greater(),
                           [&](uint32_t i) { return std::max(lengths[i], short_ones); });
  std::vector<PackedRow> rows;
  std::set<std::pair<uint32_t, uint32_t>> room;  // tokens left, row
  for (const uint32_t i : decreasing) {
    const uint32_t length = lengths[i];
    CHECK(length >= 1 && length <= row_length);
    const auto best = room.lower_bound({length, 0});
    if (best == room.end()) {
      if (length < row_length) room.emplace(row_length - length, static_cast<uint32_t>(rows.size()));
      rows.push_back({i});
      continue;
    }
    const auto [left, row] = *best;
    room.erase(best);
    rows[row].push_back(i);
    if (left > length) room.emplace(left - length, row);
  }
  return rows;
}

std::vector<PackedRow> pack_epoch(const TokenSet& set, uint32_t row_length, uint64_t seed, uint64_t epoch) {
  std::vector<uint32_t> lengths;
  lengths.reserve(set.sequences.size());
  for (const TokenSequence& one : set.sequences) lengths.push_back(static_cast<uint32_t>(one.tokens.size()));
  std::vector<PackedRow> rows = pack_best_fit(lengths, shuffled(lengths.size(), seed, epoch), row_length);
  std::vector<PackedRow> out;
  out.reserve(rows.size());
  for (const uint32_t row : shuffled(rows.size(), seed, kRowOrder | epoch)) out.push_back(std::move(rows[row]));
  return out;
}

RowTokens lay_out(const TokenSet& set, const PackedRow& row) {
  RowTokens out;
  for (const uint32_t i : row) {
    const TokenSequence& sequence = set.sequences[i];
    out.blocks.push_back({static_cast<uint32_t>(out.tokens.size()), static_cast<uint32_t>(sequence.tokens.size()), i});
    out.tokens.insert(out.tokens.end(), sequence.tokens.begin(), sequence.tokens.end());
    out.learned.insert(out.learned.end(), sequence.learned.begin(), sequence.learned.end());
  }
  return out;
}

double fill_of(const TokenSet& set, std::span<const PackedRow> rows, uint32_t row_length) {
  if (rows.empty()) return 0;
  return static_cast<double>(set.tokens()) / (static_cast<double>(rows.size()) * row_length);
}

}  // namespace linnet
