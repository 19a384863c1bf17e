#include "nn/relative_buckets.hpp"

#include <gtest/gtest.h>
#include <utility>

namespace linnet {
namespace {

// Where transformers 5.23 (MPNetEncoder.relative_position_bucket) begins a new bucket, from offset 0 on.
TEST(RelativeBuckets, AreThoseOfTransformers) {
  const std::vector<std::pair<int64_t, int32_t>> begins{{0, 0},   {1, 1},   {2, 2},   {3, 3},  {4, 4},   {5, 5},
                                                        {6, 6},   {7, 7},   {8, 8},   {12, 9}, {16, 10}, {23, 11},
                                                        {32, 12}, {46, 13}, {64, 14}, {91, 15}};
  constexpr int64_t kReach = 301;
  const std::vector<int32_t> buckets = relative_buckets(32, 128, kReach);
  ASSERT_EQ(buckets.size(), static_cast<size_t>(2 * kReach - 1));
  int32_t expected = 0;
  for (int64_t distance = 0; distance < kReach; ++distance) {
    for (const auto& [from, bucket] : begins) {
      if (from == distance) expected = bucket;
    }
    EXPECT_EQ(buckets[static_cast<size_t>(kReach - 1 - distance)], expected) << -distance;
    if (distance == 0) continue;
    EXPECT_EQ(buckets[static_cast<size_t>(kReach - 1 + distance)], 16 + expected) << distance;
  }
}

TEST(RelativeBuckets, FewBucketsAndOneToken) {
  EXPECT_EQ(relative_buckets(8, 20, 1), std::vector<int32_t>{0});
  EXPECT_EQ(relative_buckets(8, 20, 8), (std::vector<int32_t>{3, 2, 2, 2, 2, 2, 1, 0, 5, 6, 6, 6, 6, 6, 7}));
}

}  // namespace
}  // namespace linnet
