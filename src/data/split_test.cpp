#include "data/split.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

namespace linnet {
namespace {

TEST(Split, AnEpochIsAPermutationOfItsOwn) {
  const auto first = shuffled(1000, 7, 0);
  EXPECT_EQ(first, shuffled(1000, 7, 0));
  EXPECT_NE(first, shuffled(1000, 7, 1));
  EXPECT_NE(first, shuffled(1000, 8, 0));
  std::vector<uint32_t> sorted = first;
  std::ranges::sort(sorted);
  std::vector<uint32_t> all(1000);
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_EQ(sorted, all);
  EXPECT_TRUE(shuffled(0, 1, 0).empty());
}

std::vector<Sample> grouped(int groups, int of_each) {
  std::vector<Sample> samples;
  for (int g = 0; g < groups; ++g) {
    for (int i = 0; i < of_each; ++i)
      samples.push_back({.place = std::to_string(samples.size()), .group = std::to_string(g)});
  }
  return samples;
}

std::set<std::string> groups_of(const std::vector<Sample>& samples) {
  std::set<std::string> groups;
  for (const Sample& one : samples) groups.insert(one.group);
  return groups;
}

TEST(Split, EveryAnswerKeepsAPhrasingToLearnItFrom) {
  const HeldOut parts = hold_out(grouped(60, 5), DataForm::kQuestionAnswer, 0.5, 1000, 1);
  EXPECT_EQ(parts.held_out.size(), 150U);
  EXPECT_EQ(groups_of(parts.train).size(), 60U);
  EXPECT_TRUE(hold_out(grouped(60, 1), DataForm::kQuestionAnswer, 0.1, 1000, 1).held_out.empty());
}

TEST(Split, OtherGroupsStayTogether) {
  const HeldOut parts = hold_out(grouped(100, 3), DataForm::kTree, 0.1, 1000, 1);
  EXPECT_EQ(parts.held_out.size(), 30U);
  const auto train = groups_of(parts.train);
  for (const std::string& group : groups_of(parts.held_out)) EXPECT_FALSE(train.contains(group));
  EXPECT_EQ(hold_out(grouped(100, 3), DataForm::kTree, 0.1, 6, 1).held_out.size(), 6U);
  EXPECT_TRUE(hold_out(grouped(100, 3), DataForm::kTree, 0, 6, 1).held_out.empty());
  EXPECT_TRUE(hold_out(grouped(1, 50), DataForm::kTree, 0.2, 100, 1).held_out.empty());
}

TEST(Split, EveryLabelKeepsATextToLearnItFrom) {
  std::vector<Sample> samples;
  for (int i = 0; i < 60; ++i) {
    const std::string label = i < 20 ? std::to_string(i) : i % 2 == 0 ? "even" : "odd";
    samples.push_back({.place = std::to_string(i), .label = label, .group = std::to_string(i)});
  }
  const HeldOut parts = hold_out(samples, DataForm::kLabels, 0.5, 1000, 1);
  EXPECT_EQ(parts.held_out.size(), 30U);
  std::set<std::string> labels;
  for (const Sample& one : parts.train) labels.insert(one.label);
  EXPECT_EQ(labels.size(), 22U);
}

TEST(Split, OfFewDocumentsTheEndsAreHeldOut) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "line " + std::to_string(i) + "\n";
  const HeldOut parts = hold_out({{.place = "a.txt", .text = text}}, DataForm::kText, 0.1, 1000, 1);
  ASSERT_EQ(parts.held_out.size(), 1U);
  EXPECT_EQ(parts.train[0].text + parts.held_out[0].text, text);
  EXPECT_TRUE(parts.held_out[0].text.starts_with("line 9"));
}

}  // namespace
}  // namespace linnet
