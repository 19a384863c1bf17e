#include "eval/gsm8k_score.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(Gsm8kScoreTest, EmptyIsNoNumber) {
  EXPECT_EQ(strict_number("18"), "");
  EXPECT_EQ(flexible_number("none"), "");
  EXPECT_FALSE(same_number("", "#### "));
  EXPECT_TRUE(same_number("1,250.", "so\n#### $1250"));
}

}  // namespace
}  // namespace linnet
