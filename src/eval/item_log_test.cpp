#include "eval/item_log.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "eval/task_score.hpp"

namespace linnet {
namespace {

const ItemRecord kChoice{.item = 3,
                         .context = "Which?",
                         .delimiter = " ",
                         .choices = {"a", "longer"},
                         .gold = 1,
                         .log_likelihoods = {-1.25, -2.123456789012345},
                         .greedy = {true, false}};
const ItemRecord kWritten{
    .item = 7, .context = "Who?", .output = "\"Me\"\n", .references = {"me", "I"}, .facts = {{{"me", "I"}}}};

using ItemLogTest = FolderTest;

TEST_F(ItemLogTest, WhatIsWrittenIsRead) {
  const std::string path = (folder_ / "log.jsonl").string();
  {
    auto log = ItemLog::create(path);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE(log->begin("one", TaskKind::kChoice, {{"model", "m"}}).ok());
    ASSERT_TRUE(log->add(kChoice).ok());
    ASSERT_TRUE(log->begin("two", TaskKind::kAnswer, {{"model", "m"}}).ok());
    ASSERT_TRUE(log->add(kWritten).ok());
  }
  EXPECT_EQ(ItemLog::create(path).error().code, ErrorCode::kUsage);
  const auto read = read_item_log(path);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  ASSERT_EQ(read->size(), 2u);
  const ItemRecord& choice = (*read)[0].items.at(0);
  EXPECT_EQ(choice.item, 3);
  EXPECT_EQ(choice.choices, kChoice.choices);
  EXPECT_EQ(choice.gold, 1);
  EXPECT_EQ(choice.log_likelihoods, kChoice.log_likelihoods);
  EXPECT_EQ(choice.greedy, kChoice.greedy);
  const ItemRecord& written = (*read)[1].items.at(0);
  EXPECT_EQ(written.output, kWritten.output);
  EXPECT_EQ(written.references, kWritten.references);
  EXPECT_EQ(written.facts, kWritten.facts);
  EXPECT_EQ((*(*read)[1].settings)["model"], "m");
}

constexpr const char* kSettings = R"({"task": "t", "kind": "choice", "settings": {}})";

TEST(ItemLogParse, ACutLineIsLeftOut) {
  const std::string item =
      R"({"task":"t","item":1,"context":"","delimiter":"","choices":["a"],"gold":0,"log_likelihoods":[-1.0],"greedy":[true]})";
  const auto read = parse_item_log(std::string(kSettings) + "\n" + item + "\n" + item.substr(0, 50), "l");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ((*read)[0].items.size(), 1u);
}

TEST(ItemLogParse, WhatIsWrongIsNamedWithItsLine) {
  const auto error = [](const std::string& lines) {
    const auto read = parse_item_log(lines, "l");
    EXPECT_FALSE(read.ok()) << lines;
    return read.ok() ? "" : read.error().to_string();
  };
  const std::string begin = std::string(kSettings) + "\n";
  const std::string item =
      R"({"task":"t","item":1,"context":"","delimiter":"","choices":["a"],"gold":0,"log_likelihoods":[-1.0],"greedy":[true]})"
      "\n";
  EXPECT_NE(error("").find("holds no results"), std::string::npos);
  EXPECT_NE(error(item).find("l, line 1: an item of \"t\" comes before"), std::string::npos);
  EXPECT_NE(error(begin + item + item).find("l, line 3: item 1 comes twice"), std::string::npos);
  EXPECT_NE(error(begin + begin).find("l, line 2: the task \"t\" begins twice"), std::string::npos);
  EXPECT_NE(error(R"({"task":"t","kind":"song","settings":{}})"
                  "\n")
                .find("no kind of task"),
            std::string::npos);
  for (
      const char* bad :
      {R"({"task":"t","item":1,"context":"","delimiter":"","choices":["a"],"gold":1,"log_likelihoods":[-1],"greedy":[true]})",
       R"({"task":"t","item":1,"context":"","delimiter":"","choices":["a","b"],"gold":0,"log_likelihoods":[-1],"greedy":[true]})",
       R"({"task":"t","item":1,"context":"","delimiter":"","choices":[],"gold":0,"log_likelihoods":[],"greedy":[]})",
       R"({"task":"t","item":1,"context":"","delimiter":"","choices":["a"],"gold":0,"log_likelihoods":[-1],"greedy":[1]})",
       R"({"task":"t","item":"1","context":"","delimiter":"","choices":["a"],"gold":0,"log_likelihoods":[-1],"greedy":[true]})",
       "[]", "{"}) {
    EXPECT_NE(error(begin + bad + "\n").find("l, line 2"), std::string::npos) << bad;
  }
}

// Labels index the confusion matrix, so a log may not change them on the way.
TEST(ItemLogParse, LabelsAreTheSameInEveryItem) {
  const std::string log =
      R"({"task":"t","kind":"label","settings":{}})"
      "\n"
      R"({"task":"t","item":1,"context":"","delimiter":"","choices":["a"],"gold":0,"log_likelihoods":[-1],"greedy":[true]})"
      "\n"
      R"({"task":"t","item":2,"context":"","delimiter":"","choices":["a","b"],"gold":1,"log_likelihoods":[-1,-2],"greedy":[true,true]})"
      "\n";
  EXPECT_FALSE(parse_item_log(log, "l").ok());
}

TEST(TaskScoreTest, ByLengthAndWithout) {
  EXPECT_EQ(kChoice.likeliest(false), 0);
  EXPECT_EQ(kChoice.likeliest(true), 1);
  const auto metrics = task_metrics({"t", TaskKind::kChoice, {}, {kChoice}}, {});
  ASSERT_TRUE(metrics.ok());
  EXPECT_EQ((*metrics)[0].value(), 0);
  EXPECT_EQ((*metrics)[1].value(), 1);
}

TEST(TaskScoreTest, ATestListIsScoredByItsFacts) {
  const auto answer = [](int64_t item, const char* output, std::vector<std::string> references) {
    return ItemRecord{.item = item, .output = output, .references = references, .facts = std::vector<Fact>()};
  };
  TaskLog log{"t",
              TaskKind::kAnswer,
              {},
              {
                  answer(1, "At nine.", {"At nine."}),
                  answer(2, "At nine.", {"Every day but Sunday."}),  // another item's answer
                  answer(3, "I don't know, please ask us.", {}),
                  answer(4, "At nine.", {}),
              }};
  const auto metrics = task_metrics(log, {});
  ASSERT_TRUE(metrics.ok());
  std::vector<std::string> names;
  for (const Metric& metric : *metrics) names.push_back(metric.name());
  EXPECT_EQ(names, (std::vector<std::string>{"correct", "correct_answerable", "declined_answerable",
                                             "declined_unanswerable", "facts", "exact_match", "f1"}));
  EXPECT_EQ((*metrics)[0].value(), 0.5);
  EXPECT_EQ(reply_scores(log).size(), 4U);
  log.items[1].facts.reset();
  EXPECT_TRUE(reply_scores(log).empty());
}

TEST(TaskScoreTest, ASummaryThatIsTooLongIsRefused) {
  std::string text;
  for (int i = 0; i < 6000; ++i) text += "word ";
  const TaskLog log{"t", TaskKind::kSummary, {}, {{.item = 1, .output = text, .references = {"x"}}}};
  EXPECT_FALSE(task_metrics(log, {}).ok());
}

}  // namespace
}  // namespace linnet
