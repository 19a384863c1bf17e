#include <gtest/gtest.h>

#include "data/csv.hpp"
#include "data/json_rows.hpp"
#include "data/sample.hpp"

namespace linnet {
namespace {

Result<Samples> samples_of(std::string_view text) {
  Rows rows;
  if (text[0] == '{') {
    TRY_ASSIGN(rows, parse_json_rows(text, "t.jsonl"));
  } else {
    TRY_ASSIGN(Table table, parse_csv(text, ',', "t.csv"));
    TRY_ASSIGN(rows, name_columns(std::move(table), {}));
  }
  TRY_ASSIGN(const FormMatch match, recognise_form(rows));
  return make_samples(rows, match);
}

std::string error_of(std::string_view text) {
  const auto samples = samples_of(text);
  return samples.ok() ? "no error" : samples.error().to_string();
}

Json messages(std::initializer_list<std::pair<const char*, const char*>> said) {
  Json list = Json::array();
  for (const auto& [role, content] : said) list.push_back({{"role", role}, {"content", content}});
  return list;
}

TEST(Samples, ATestListHasFactsAndQuestionsWithoutAnAnswer) {
  const auto samples = samples_of("question,answer,facts\nWhen?,At noon.,noon / 12 | Sunday\nWho?,,\n");
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  const Sample& first = samples->samples[0];
  EXPECT_EQ(first.facts, (std::vector<Fact>{{"noon", "12"}, {"Sunday"}}));
  EXPECT_EQ(first.messages, messages({{"user", "When?"}, {"assistant", "At noon."}}));
  EXPECT_EQ(answer_of(first), "At noon.");
  EXPECT_FALSE(samples->samples[1].has_answer);
  EXPECT_EQ(answer_of(samples->samples[1]), "");
  EXPECT_EQ(samples->samples[1].place, "t.csv, line 3");
  const auto meant = samples_of("question,answer,facts\nWhen?,Always.,24\\/7 | a \\| b / c||/ |\n");
  ASSERT_TRUE(meant.ok()) << meant.error().to_string();
  EXPECT_EQ(meant->samples[0].facts, (std::vector<Fact>{{"24/7"}, {"a | b", "c"}}));
  EXPECT_NE(error_of("question,answer,facts\nWho?,,Ann\n").find("line 2: facts without an answer"), std::string::npos);
}

TEST(Samples, ToolCallsBringTheirArgumentsAsObjects) {
  const auto samples = samples_of(
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]}, {"role": "tool", "content": "2"}, {"role": "assistant", "content": "Two", "weight": 0}, {"role": "user", "content": "?"}], "tools": [{"type": "function"}]})");
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  const Sample& sample = samples->samples[0];
  EXPECT_EQ(sample.messages[0]["content"], "Hi");
  EXPECT_EQ(sample.messages[1]["content"], "");
  EXPECT_EQ(sample.messages[1]["tool_calls"][0]["function"]["arguments"]["x"], 1);
  EXPECT_EQ(sample.messages.size(), 4U);  // the last question has no reply
  EXPECT_EQ(sample.tools.size(), 1U);
}

TEST(Samples, WhatATeacherAnswersNeedsNoReply) {
  const auto unanswered = [](std::string_view text) -> Result<Samples> {
    TRY_ASSIGN(const Rows rows, parse_json_rows(text, "t.jsonl"));
    TRY_ASSIGN(const FormMatch match, recognise_form(rows, {}, true));
    return make_samples(rows, match);
  };
  const auto prompts = unanswered("{\"prompt\": \"Hi\", \"system\": \"Be kind.\"}\n{\"prompt\": \"Who?\"}\n");
  ASSERT_TRUE(prompts.ok()) << prompts.error().to_string();
  EXPECT_EQ(prompts->samples[0].messages, messages({{"system", "Be kind."}, {"user", "Hi"}}));
  EXPECT_EQ(prompts->samples[1].messages, messages({{"user", "Who?"}}));
  EXPECT_NE(prompts->said[0].find("2 rows of prompts"), std::string::npos);
  const auto asked = unanswered(R"({"messages": [{"role": "user", "content": "Hi"}]})");
  ASSERT_TRUE(asked.ok()) << asked.error().to_string();
  EXPECT_EQ(asked->samples[0].messages, messages({{"user", "Hi"}}));
  EXPECT_FALSE(samples_of("{\"prompt\": \"Hi\"}").ok());
}

TEST(Samples, RatingsAreTruthValuesNumbersOrWords) {
  for (const std::string good : {"true", "1", "\"TRUE\"", "\"1\"", "\"Good\"", "\"desirable\""}) {
    const auto samples = samples_of("{\"prompt\": \"a\", \"completion\": \"b\", \"label\": " + good + "}");
    ASSERT_TRUE(samples.ok()) << samples.error().to_string();
    EXPECT_EQ(samples->form, DataForm::kUnpairedPreference) << good;
    EXPECT_TRUE(samples->samples[0].desired) << good;
  }
  const auto table = samples_of("prompt,completion,label\na,b,0\na,b,bad\na,b,Undesirable\na,b,False\na,b,1\n");
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_EQ(table->form, DataForm::kUnpairedPreference);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(table->samples[i].desired, i == 4) << i;
  EXPECT_EQ(
      error_of("prompt,completion,label\na,b,0\na,b,soso\n"),
      "t.csv, line 3: field \"label\" is \"soso\", which does not rate the reply\n"
      "  write true, 1, good or desirable for a good reply, false, 0, bad or undesirable for a bad one; rename the "
      "field where it means something else");
  EXPECT_NE(error_of(R"({"prompt": "a", "completion": "b", "label": 2})").find("line 1: field \"label\" is \"2\""),
            std::string::npos);
  // Only a field of that name must rate.
  const auto kinds = samples_of("prompt,completion,category\na,b,greeting\n");
  ASSERT_TRUE(kinds.ok()) << kinds.error().to_string();
  EXPECT_EQ(kinds->form, DataForm::kPromptCompletion);
}

TEST(Samples, BadRowsMayBeLeftOut) {
  const auto rows = parse_json_rows("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}\n", "t.jsonl");
  ASSERT_TRUE(rows.ok());
  const auto match = recognise_form(*rows);
  ASSERT_TRUE(match.ok());
  const auto samples = make_samples(*rows, *match, true);
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  EXPECT_EQ(samples->samples.size(), 1U);
  EXPECT_EQ(samples->said.back(), "1 row left out: t.jsonl, line 2 (field \"completion\" is missing)");
}

TEST(Samples, ErrorsNameTheLineTheMessageAndTheField) {
  EXPECT_NE(error_of("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n{\"messages\": [{\"role\": \"boss\", "
                     "\"content\": \"a\"}]}")
                .find("t.jsonl, line 2, messages[0]: \"role\" is \"boss\""),
            std::string::npos);
  EXPECT_NE(error_of("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}")
                .find("line 2: field \"completion\" is missing"),
            std::string::npos);
  EXPECT_NE(error_of("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": 7, \"completion\": \"b\"}")
                .find("line 2: field \"prompt\" must be text"),
            std::string::npos);
  EXPECT_NE(error_of("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}")
                .find("\"image_url\""),
            std::string::npos);
  EXPECT_NE(error_of("{\"conversations\": [{\"from\": \"alien\", \"value\": \"a\"}]}").find("\"from\" is \"alien\""),
            std::string::npos);
}

TEST(Samples, ShareGptAndAlpaca) {
  const auto share = samples_of(
      R"({"system": "Be kind.", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})");
  ASSERT_TRUE(share.ok()) << share.error().to_string();
  EXPECT_EQ(share->samples[0].messages, messages({{"system", "Be kind."}, {"user", "a"}, {"assistant", "b"}}));
  const auto alpaca = samples_of(R"({"instruction": "Add.", "input": "1 2", "output": "3"})");
  EXPECT_EQ(alpaca->samples[0].messages, messages({{"user", "Add.\n\n1 2"}, {"assistant", "3"}}));
}

TEST(Samples, OfATreeEachBestReplyIsLearnedOnce) {
  const auto one_line = [](std::string text) {
    std::erase(text, '\n');
    return text;
  };
  const auto tree = samples_of(one_line(
      R"({"prompt": {"role": "prompter", "text": "q", "replies": [
          {"role": "assistant", "text": "worse", "rank": 1, "replies": [{"role": "prompter", "text": "q2", "replies": [
             {"role": "assistant", "text": "a2", "replies": []}]}]},
          {"role": "assistant", "text": "best", "rank": 0, "replies": [{"role": "prompter", "text": "unanswered", "replies": []},
             {"role": "prompter", "text": "q3", "replies": [{"role": "assistant", "text": "a3", "replies": []}]}]},
          {"role": "assistant", "text": "gone", "deleted": true, "rank": 0, "replies": []}]}})"));
  ASSERT_TRUE(tree.ok()) << tree.error().to_string();
  std::vector<std::string> learned;
  for (const Sample& sample : tree->samples) {
    EXPECT_EQ(sample.group, "t.jsonl, line 1");
    for (const Json& message : sample.messages) {
      if (message["role"] == "assistant" && message["weight"] == 1)
        learned.push_back(message["content"].get<std::string>());
    }
  }
  EXPECT_EQ(learned, (std::vector<std::string>{"a2", "best", "a3"}));
}

TEST(Samples, SummariesAndPairsHaveATextOrPoints) {
  const auto points = samples_of(R"({"text": "Long.", "keypoints": ["a", "b"]})");
  ASSERT_TRUE(points.ok()) << points.error().to_string();
  EXPECT_EQ(points->samples[0].messages, messages({{"user", "Long."}, {"assistant", "- a\n- b"}}));
  EXPECT_NE(error_of(R"({"text": "Long.", "keypoints": [1]})").find("text or a list of texts"), std::string::npos);
  const auto pairs = samples_of(R"({"source": "Go.", "target": ["Geh.", "Los."]})");
  ASSERT_TRUE(pairs.ok()) << pairs.error().to_string();
  EXPECT_TRUE(pairs->pairs);
  EXPECT_EQ(answer_of(pairs->samples[0]), "- Geh.\n- Los.");
  EXPECT_FALSE(samples_of(R"({"prompt": "a", "completion": ["b"]})").ok());
}

TEST(Samples, APreferenceLearnsOnlyWhatDiffers) {
  const auto samples = samples_of(
      R"({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "good"}], "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "bad"}]})");
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  const Sample& sample = samples->samples[0];
  EXPECT_EQ(sample.messages[1]["weight"], 0);
  EXPECT_FALSE(sample.messages[3].contains("weight"));
  EXPECT_EQ(sample.rejected[3]["content"], "bad");
  EXPECT_NE(error_of("{\"chosen\": \"a\", \"rejected\": \"b\"}").find("needs the prompt"), std::string::npos);
}

}  // namespace
}  // namespace linnet
