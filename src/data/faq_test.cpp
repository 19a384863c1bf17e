#include "data/faq.hpp"

#include <gtest/gtest.h>
#include <set>

#include "base/json.hpp"
#include "base/utf8.hpp"
#include "data/rephrase.hpp"

namespace linnet {
namespace {

Sample sample_of(const std::string& question, const std::string& answer) {
  Sample sample{.place = "test"};
  sample.messages.push_back({{"role", "user"}, {"content", question}});
  sample.has_answer = !answer.empty();
  if (sample.has_answer) sample.messages.push_back({{"role", "assistant"}, {"content", answer}});
  return sample;
}

TEST(FaqTest, QuestionsShareTheirAnswer) {
  const FaqList list = faq_of({sample_of("when", "At nine."), sample_of("where", "Here."),
                               sample_of("what time", "At nine."), sample_of("why", "")});
  EXPECT_EQ(list.answers, (std::vector<std::string>{"At nine.", "Here."}));
  ASSERT_EQ(list.questions.size(), 3u);
  EXPECT_EQ(list.questions[2].text, "what time");
  EXPECT_EQ(list.questions[2].answer, 0u);
  EXPECT_DOUBLE_EQ(list.phrasings(), 1.5);
}

TEST(FaqTest, ComesBackFromItsFile) {
  const FaqList list = faq_of({sample_of("when", "At nine."), sample_of("where", "Here.")});
  auto back = faq_from_json(to_json(list), "faq.json");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(to_json(*back), to_json(list));
}

TEST(FaqTest, RefusesAFileThatLies) {
  for (const char* text : {
           "[]",
           R"({"answers": ["a"]})",
           R"({"answers": ["a"], "questions": []})",
           R"({"answers": "a", "questions": [{"text": "q", "answer": 0}]})",
           R"({"answers": [1], "questions": [{"text": "q", "answer": 0}]})",
           R"({"answers": ["a"], "questions": [{"text": "q", "answer": 1}]})",
           R"({"answers": ["a"], "questions": [{"text": "q", "answer": -1}]})",
           R"({"answers": [], "questions": [{"text": "q", "answer": 0}]})",
           R"({"answers": ["a"], "questions": [{"answer": 0}]})",
           R"({"answers": ["a"], "questions": ["q"]})",
           R"({"answers": ["a", "b"], "questions": [{"text": "q", "answer": 1}]})",
       }) {
    auto json = parse_json(text, "faq.json");
    ASSERT_TRUE(json.ok());
    EXPECT_FALSE(faq_from_json(*json, "faq.json").ok()) << text;
  }
}

TEST(FaqTest, CommonQuestionsAreManyAndDifferent) {
  const std::vector<std::string> questions = common_questions();
  EXPECT_GT(questions.size(), 400u);
  EXPECT_EQ(std::set<std::string>(questions.begin(), questions.end()).size(), questions.size());
  for (const std::string& question : questions) EXPECT_FALSE(question.starts_with('#')) << question;
}

TEST(RephraseTest, HangsOnTheNumbersAlone) {
  Random one(3);
  Random same(3);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(rephrase("How much is a ticket?", one), rephrase("How much is a ticket?", same));
}

TEST(RephraseTest, MakesManyTextsThatAreNeverEmptyAndStayUtf8) {
  Random random(1);
  std::set<std::string> made;
  for (int i = 0; i < 300; ++i) {
    const std::string text = rephrase("Wo gibt es Brötchen für zwölf Gäste, please?", random);
    EXPECT_FALSE(text.empty());
    EXPECT_TRUE(is_valid_utf8(text)) << text;
    made.insert(text);
  }
  EXPECT_GT(made.size(), 150u);
  for (const char* odd : {"", " ", "?", "a", "\xff\xfe", "  two  words  "}) {
    for (int i = 0; i < 50; ++i) (void)rephrase(odd, random);
  }
}

}  // namespace
}  // namespace linnet
