#include "cli/wrap.hpp"

#include <gtest/gtest.h>

namespace linnet::cli {
namespace {

using Lines = std::vector<std::string>;

TEST(WrapWordsTest, BreaksAtSpacesAndCountsCharacters) {
  EXPECT_EQ(wrap_words("one two three", 7), (Lines{"one two", "three"}));
  EXPECT_EQ(wrap_words("one two three", 6), (Lines{"one", "two", "three"}));
  EXPECT_EQ(wrap_words("öäü ßéè", 7), (Lines{"öäü ßéè"}));
  EXPECT_EQ(wrap_words("  a  b ", 80), (Lines{"a b"}));
  EXPECT_EQ(wrap_words("a incomprehensibly b", 5), (Lines{"a", "incomprehensibly", "b"}));
  EXPECT_EQ(wrap_words("", 5), Lines());
}

}  // namespace
}  // namespace linnet::cli
