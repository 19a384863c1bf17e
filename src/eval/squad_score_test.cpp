#include "eval/squad_score.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(SquadScoreTest, WithoutAReferenceOnlySilenceMatches) {
  EXPECT_EQ(exact_match("", {}), 1);
  EXPECT_EQ(exact_match("nine", {}), 0);
  EXPECT_EQ(answer_f1("", {}), 1);
  EXPECT_EQ(answer_f1("nine", {}), 0);
}

TEST(SquadScoreTest, TheBestReferenceCounts) {
  const std::vector<std::string> references{"at nine o'clock", "Nine"};
  EXPECT_EQ(exact_match("the nine!", references), 1);
  EXPECT_NEAR(answer_f1("nine oclock", references), 0.8, 1e-12);
}

}  // namespace
}  // namespace linnet
