#include "cli/writing_report.hpp"

#include <gtest/gtest.h>

namespace linnet::cli {
namespace {

// Forty phrases, of which the first `right` are translated as they should be.
std::vector<ItemRecord> written(int right, int count = 40) {
  std::vector<ItemRecord> items;
  for (int i = 0; i < count; ++i) {
    const std::string good = "Das ist Nummer " + std::to_string(i) + ".";
    ItemRecord item{.item = i + 1};
    item.references = {good};
    item.output = i < right ? good : "Quux";
    items.push_back(std::move(item));
  }
  return items;
}

WritingReport report(int copy, int nearest, int untaught, int taught, int asked = 40) {
  std::vector<Written> all = {{"copy", "the phrase itself", false, written(copy)},
                              {"nearest", "the nearest", false, written(nearest)},
                              {"untaught", "base untaught", true, written(untaught, asked)},
                              {"taught", "the taught model", true, written(taught)}};
  auto made = report_writing("test", TaskKind::kTranslation, std::move(all));
  return std::move(made).value();
}

TEST(WritingReport, SaysWhatTheTaughtModelIsBetterThan) {
  const WritingReport one = report(0, 10, 5, 35);
  EXPECT_EQ(recommended(one), "taught");
  const std::string text = verdict(one);
  EXPECT_NE(text.find("the taught model is better than the phrase itself (CHRF +"), std::string::npos) << text;
  EXPECT_NE(text.find("better than base untaught"), std::string::npos) << text;
  EXPECT_EQ(text.find("recommended"), std::string::npos) << text;
  EXPECT_NE(draw(one).find("taught"), std::string::npos);
}

TEST(WritingReport, RecommendsABaselineThatWins) {
  const WritingReport one = report(0, 38, 5, 10);
  EXPECT_EQ(recommended(one), "nearest");
  const std::string text = verdict(one);
  EXPECT_NE(text.find("the nearest is better than the taught model (taught CHRF -"), std::string::npos) << text;
  EXPECT_NE(text.find("recommended: the nearest, which needs no model"), std::string::npos) << text;
}

TEST(WritingReport, WhatIsNoBetterIsNotRecommended) {
  EXPECT_EQ(recommended(report(0, 20, 5, 20)), "nearest");
  const WritingReport untaught = report(0, 5, 30, 30);
  EXPECT_EQ(recommended(untaught), "untaught");
  EXPECT_NE(verdict(untaught).find("do not differ for certain"), std::string::npos);
  EXPECT_NE(verdict(untaught).find("is there without teaching"), std::string::npos);
}

// A slow model was asked the first items only: it is compared at those.
TEST(WritingReport, ComparesAtTheItemsThatBothHave) {
  const WritingReport one = report(0, 10, 5, 35, 20);
  EXPECT_EQ(one.comparisons.back().items, 20U);
  EXPECT_EQ(one.comparisons.front().items, 40U);
  const Json json = to_json(one);
  EXPECT_EQ(json["scores"]["untaught"]["items"], 20);
  EXPECT_EQ(json["taught_beside"]["untaught"]["items"], 20);
  EXPECT_EQ(json["recommended"], "taught");
  EXPECT_EQ(json["decides"], "chrf");
}

}  // namespace
}  // namespace linnet::cli
