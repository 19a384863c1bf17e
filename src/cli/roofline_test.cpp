#include "cli/roofline.hpp"

#include <gtest/gtest.h>

namespace linnet::cli {
namespace {

// 10 GB/s and 1000 GOPS: the roof rises to 100 operations per byte and is flat from there.
TEST(Roofline, RisesWithBandwidthAndEndsAtThePeak) {
  EXPECT_EQ(draw_roofline(10e9, 1000e9, {{'A', 1, 10e9}, {'B', 1000, 500e9}}, 31, 7),
            "    1000 |                   /-----------\n"
            "         |               ////           B\n"
            "         |            ///                \n"
            "     100 |         ///                   \n"
            "         |     ////                      \n"
            "         |  ///                          \n"
            "      10 |A/                             \n"
            "         +-------------------------------\n"
            "          1         10        100       1000\n");
}

TEST(Roofline, HasRoomForWhatIsFarBelow) {
  const std::string drawn = draw_roofline(10e9, 1000e9, {{'A', 0.001, 1e6}}, 40, 10);
  EXPECT_NE(drawn.find('A'), std::string::npos);
  EXPECT_NE(drawn.find("0.001"), std::string::npos);
}

}  // namespace
}  // namespace linnet::cli
