#include "engine/stop_strings.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(StopStrings, NeverShowsAStopStringHoweverItArrives) {
  const std::string text = "one two END three";
  for (size_t step = 1; step <= text.size(); ++step) {
    StopStrings stops({"END", "never"});
    std::string shown;
    for (size_t at = 0; at < text.size(); at += step) shown += stops.push(std::string_view(text).substr(at, step));
    EXPECT_EQ(shown, "one two ");
    EXPECT_TRUE(stops.stopped());
    EXPECT_EQ(stops.which(), "END");
  }
}

TEST(StopStrings, GivesBackAFalseBeginning) {
  StopStrings stops({"\n\nUser:"});
  std::string shown = stops.push("a\n\nUse");
  EXPECT_EQ(shown, "a");
  shown += stops.push("ful");
  EXPECT_EQ(shown, "a\n\nUseful");
  EXPECT_EQ(stops.push("\n"), "");
  EXPECT_EQ(stops.finish(), "\n");
}

TEST(StopStrings, TheEarliestWins) {
  StopStrings stops({"cd", "bc"});
  EXPECT_EQ(stops.push("abcd"), "a");
  EXPECT_EQ(stops.which(), "bc");
}

}  // namespace
}  // namespace linnet
