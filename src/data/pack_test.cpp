#include "data/pack.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

#include "base/random.hpp"

namespace linnet {
namespace {

TokenSet random_set(size_t count, uint32_t longest, uint64_t seed) {
  Random random(seed);
  TokenSet set;
  for (size_t i = 0; i < count; ++i) {
    const auto length = static_cast<size_t>(1 + random.below(longest));
    TokenSequence one{.tokens = std::vector<int32_t>(length, static_cast<int32_t>(i)),
                      .learned = std::vector<uint8_t>(length, 1),
                      .sample = static_cast<uint32_t>(i)};
    one.learned[0] = 0;
    set.sequences.push_back(std::move(one));
  }
  return set;
}

TEST(Pack, EverySequenceOnceAndNoRowTooLong) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const TokenSet set = random_set(500, 100, seed);
    const std::vector<PackedRow> rows = pack_epoch(set, 100, seed, 3);
    std::vector<uint32_t> seen;
    for (const PackedRow& row : rows) {
      const RowTokens laid = lay_out(set, row);
      ASSERT_LE(laid.tokens.size(), 100U);
      uint32_t next = 0;
      for (const RowTokens::Block& block : laid.blocks) {
        EXPECT_EQ(block.begin, next);
        EXPECT_EQ(laid.learned[block.begin], 0);
        for (uint32_t t = 0; t < block.length; ++t) {
          ASSERT_EQ(laid.tokens[block.begin + t], static_cast<int32_t>(block.sequence));
        }
        next += block.length;
        seen.push_back(block.sequence);
      }
      EXPECT_EQ(next, laid.tokens.size());
    }
    std::ranges::sort(seen);
    std::vector<uint32_t> all(500);
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(seen, all);
    EXPECT_GT(fill_of(set, rows, 100), 0.93);
  }
}

// A plain reading of the method: the fullest row that still has room, rows in the order in which they were begun.
std::vector<PackedRow> plain_best_fit(std::vector<uint32_t> lengths, uint32_t row_length) {
  std::vector<uint32_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0U);
  const uint32_t quarter = row_length / 4;
  std::ranges::stable_sort(
      order, [&](uint32_t a, uint32_t b) { return std::max(lengths[a], quarter) > std::max(lengths[b], quarter); });
  std::vector<PackedRow> rows;
  std::vector<uint32_t> left;
  for (const uint32_t i : order) {
    size_t best = rows.size();
    for (size_t r = 0; r < rows.size(); ++r) {
      if (left[r] >= lengths[i] && (best == rows.size() || left[r] < left[best])) best = r;
    }
    if (best == rows.size()) {
      rows.emplace_back();
      left.push_back(row_length);
    }
    rows[best].push_back(i);
    left[best] -= lengths[i];
  }
  return rows;
}

TEST(Pack, IsBestFitDecreasingDownToAQuarterOfARow) {
  Random random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<uint32_t> lengths(1 + random.below(60));
    for (uint32_t& one : lengths) one = static_cast<uint32_t>(1 + random.below(20));
    std::vector<uint32_t> order(lengths.size());
    std::iota(order.begin(), order.end(), 0U);
    EXPECT_EQ(pack_best_fit(lengths, order, 20), plain_best_fit(lengths, 20));
  }
}

// Of the variance of lengths nearly all lies within rows, little between them.
TEST(Pack, ShortSequencesOfAllLengthsShareARow) {
  constexpr uint32_t kRow = 512;
  const TokenSet set = random_set(2000, kRow / 8, 7);
  const std::vector<PackedRow> rows = pack_epoch(set, kRow, 1, 0);
  EXPECT_GT(fill_of(set, rows, kRow), 0.98);
  const auto length_of = [&](uint32_t i) { return static_cast<double>(set.sequences[i].tokens.size()); };
  const double mean = static_cast<double>(set.tokens()) / static_cast<double>(set.sequences.size());
  double within = 0;
  double all = 0;
  for (const PackedRow& row : rows) {
    double sum = 0;
    for (const uint32_t i : row) sum += length_of(i);
    const double of_row = sum / static_cast<double>(row.size());
    for (const uint32_t i : row) {
      within += (length_of(i) - of_row) * (length_of(i) - of_row);
      all += (length_of(i) - mean) * (length_of(i) - mean);
    }
  }
  EXPECT_GT(within, 0.85 * all);
}

TEST(Pack, AnEpochDependsOnItsNumberAlone) {
  const TokenSet set = random_set(200, 50, 1);
  EXPECT_EQ(pack_epoch(set, 64, 1, 5), pack_epoch(set, 64, 1, 5));
  EXPECT_NE(pack_epoch(set, 64, 1, 5), pack_epoch(set, 64, 1, 6));
  EXPECT_TRUE(pack_epoch({}, 64, 1, 5).empty());
}

}  // namespace
}  // namespace linnet
