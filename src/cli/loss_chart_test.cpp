#include "cli/loss_chart.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace linnet::cli {
namespace {

TEST(Sparkline, FallsWithTheValues) {
  EXPECT_EQ(sparkline(std::vector<double>{7, 6, 5, 4, 3, 2, 1, 0}, 8), "█▇▆▅▄▃▂▁");
  EXPECT_EQ(sparkline(std::vector<double>{4, 4, 0, 0}, 2), "█▁");
  EXPECT_EQ(sparkline(std::vector<double>{3, 3}, 5), "▁▁");
  EXPECT_EQ(sparkline({}, 5), "");
}

TEST(LossChart, DrawsALineFromTheHighestToTheLowest) {
  EXPECT_EQ(loss_chart(std::vector<double>{8, 7, 6, 5, 4, 3, 2, 1}, 4, 2),
            "   8.000 ⠑⢄⠀⠀\n"
            "   1.000 ⠀⠀⠑⢄\n");
  EXPECT_EQ(loss_chart(std::vector<double>{2, 1}, 1, 1), "   2.000 ⢱\n");
  EXPECT_EQ(loss_chart(std::vector<double>{1}, 4, 2), "");
}

}  // namespace
}  // namespace linnet::cli
