#include "tasks/token_feed.hpp"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>

namespace linnet {
namespace {

TokenSet some_tokens() {
  TokenSet set;
  for (int32_t i = 0; i < 9; ++i) {
    set.sequences.push_back({.tokens = {i, i + 1, i + 2}, .learned = {0, 1, 1}, .sample = static_cast<uint32_t>(i)});
  }
  return set;
}

TEST(TokenFeed, EachRowOfARunHasADropoutOfItsOwn) {
  TokenFeed feed(some_tokens(), 6, 2, 2, 5, 0.1f);
  std::vector<uint32_t> draws;
  for (int64_t step = 0; step < feed.steps(); ++step) {
    for (const TokenBatch& batch : feed.batches(step)) {
      EXPECT_FLOAT_EQ(batch.batch.dropout.rate, 0.1f);
      EXPECT_EQ(batch.batch.dropout.seed, 5u);
      draws.push_back(batch.batch.dropout.draw);
    }
  }
  EXPECT_GT(draws.size(), 5u);
  EXPECT_EQ(std::ranges::adjacent_find(draws, std::greater_equal()), draws.end()) << "no mask comes twice";
}

TEST(TokenFeed, NothingIsDroppedUnlessAskedForNorOfWhatMeasures) {
  TokenFeed feed(some_tokens(), 6, 2, 1, 5);
  EXPECT_FALSE(feed.batches(0)[0].batch.dropout.drops());
  EXPECT_FALSE(TokenFeed::all(some_tokens(), 6)[0].batch.dropout.drops());
}

}  // namespace
}  // namespace linnet
