#include "data/unusable.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

Json message(const char* role, const char* content) {
  return {{"role", role}, {"content", content}};
}

std::vector<Sample> conversations(std::initializer_list<Json> all) {
  std::vector<Sample> samples;
  for (const Json& messages : all) {
    samples.push_back({.place = "a.jsonl, line " + std::to_string(samples.size() + 1), .messages = messages});
  }
  return samples;
}

std::vector<std::string> reasons(const std::vector<Unusable>& unusable) {
  std::vector<std::string> out;
  out.reserve(unusable.size());
  for (const Unusable& one : unusable) out.push_back(std::to_string(one.sample) + ": " + one.why);
  return out;
}

const Json kAsked = message("user", "Hi");
const Json kOnlyAsked = Json::array({kAsked});  // {kAsked} is a copy to one compiler, a list to another

TEST(Unusable, EachReasonIsToldApart) {
  Json unlearned = message("assistant", "Hello!");
  unlearned["weight"] = 0;
  Json call = message("assistant", "");
  call["tool_calls"] = Json::array({Json{{"name", "f"}}});
  const auto samples = conversations({{kAsked, message("assistant", "Hello!")},
                                      kOnlyAsked,
                                      {kAsked, message("assistant", " \n")},
                                      {kAsked, unlearned},
                                      {kAsked, call}});
  EXPECT_EQ(
      reasons(find_unusable(samples, DataForm::kMessages)),
      (std::vector<std::string>{"1: there is no reply", "2: the reply is empty", "3: every reply has the weight 0"}));
}

TEST(Unusable, OfPairsTheReplyIsNamed) {
  auto samples = conversations({{kAsked, message("assistant", "a")},
                                {kAsked, message("assistant", "a")},
                                {kAsked, message("assistant", "")},
                                {kAsked, message("assistant", "a")}});
  const std::vector<const char*> rejected = {"b", "a", "b", ""};
  for (size_t i = 0; i < samples.size(); ++i) samples[i].rejected = {kAsked, message("assistant", rejected[i])};
  EXPECT_EQ(reasons(find_unusable(samples, DataForm::kPreference)),
            (std::vector<std::string>{"1: the chosen and the rejected reply are the same",
                                      "2: the chosen reply is empty", "3: the rejected reply is empty"}));
}

TEST(Unusable, WhereATeacherAnswersSomethingMustBeAsked) {
  const auto samples = conversations({kOnlyAsked, Json::array({message("system", "Be kind.")})});
  EXPECT_EQ(reasons(find_unusable(samples, DataForm::kMessages, true)),
            (std::vector<std::string>{"1: nothing is asked"}));
}

TEST(Unusable, TheyAreRefusedOrLeftOut) {
  auto samples = conversations(
      {kOnlyAsked, {kAsked, message("assistant", "a")}, kOnlyAsked, kOnlyAsked, {kAsked, message("assistant", "")}});
  const auto unusable = find_unusable(samples, DataForm::kMessages);
  const std::string list =
      "a.jsonl, line 1 (there is no reply); a.jsonl, line 3 (there is no reply); a.jsonl, line 4 (there is no reply); "
      "and 1 more";
  EXPECT_TRUE(refuse_unusable(samples, {}, 512).ok());
  EXPECT_EQ(refuse_unusable(samples, unusable, 512).error().to_string(),
            "4 samples with nothing to learn from: " + list + "\n  mend the rows, or leave them out with --skip-bad");
  EXPECT_EQ(leave_out_unusable(samples, unusable), "4 samples left out: " + list);
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(samples[0].place, "a.jsonl, line 2");
}

}  // namespace
}  // namespace linnet
