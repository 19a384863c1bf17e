#include "base/random.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace linnet {
namespace {

// Known answers from the Random123 distribution (kat_vectors, philox4x32 10 rounds).
TEST(Random, PhiloxMatchesThePaper) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, 0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, ~0ull),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, ARunOfCountersIsTheSameAsOneByOne) {
  for (const int64_t count : {1, 15, 16, 17, 40}) {
    std::vector<uint32_t> words(static_cast<size_t>(4 * count));
    philox4x32_run({0xfffffff0, 7, 3, 9}, 0x123456789abcdef, count, words.data());  // the first word overflows
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t counter = 0x7fffffff0 + static_cast<uint64_t>(i);
      const auto one =
          philox4x32({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 3, 9}, 0x123456789abcdef);
      EXPECT_TRUE(std::equal(one.begin(), one.end(), words.begin() + 4 * i)) << count << " " << i;
    }
  }
}

TEST(Random, ContinuesFromASavedPosition) {
  Random a(5, 1);
  for (int i = 0; i < 7; ++i) a.next_u32();
  Random b(5, 1, a.position());
  EXPECT_EQ(a.below(1000), b.below(1000));
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  Random random(1);
  double sum = 0, normal_sum = 0, normal_squares = 0;
  const int n = 100000;
  for (int i = 0; i < n; ++i) {
    sum += random.uniform();
    const double z = random.normal();
    normal_sum += z;
    normal_squares += z * z;
  }
  EXPECT_NEAR(sum / n, 0.5, 0.005);
  EXPECT_NEAR(normal_sum / n, 0, 0.015);
  EXPECT_NEAR(normal_squares / n, 1, 0.02);
}

}  // namespace
}  // namespace linnet
