// With tests/golden/word_encoder, whose cosines are the words that two texts share.
#include "tasks/faq_assistant.hpp"

#include <fstream>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "models/reference_testing.hpp"
#include "tasks/faq_lessons.hpp"
#include "tasks/faq_score.hpp"
#include "tasks/faq_tune.hpp"
#include "train/parameters.hpp"
#include "train/trainer.hpp"

namespace linnet {
namespace {

const FaqList kList{
    .answers = {"At the station.", "At nine.", "Yes."},
    .questions = {{"where is the shop", 0}, {"when do you open", 1}, {"what hours", 1}, {"sell bread", 2}}};
const std::vector<std::string> kOthers{"are you on facebook", "wifi password"};

class FaqAssistantTest : public FolderTest {
 protected:
  std::unique_ptr<Runtime> runtime_ = value(Runtime::create(1));
  Embedder embedder() {
    return value(Embedder::load(value(find_model((golden_dir() / "word_encoder").string())), *runtime_, kFaqTokens));
  }
  FaqIndex index() { return value(FaqIndex::build(kList, kOthers, embedder())); }
  std::vector<float> vector_of(const std::string& text) {
    const Tensor vector = value(embedder().embed({&text, 1}, TooLong::kError));
    return {vector.span<float>().begin(), vector.span<float>().end()};
  }
};

TEST_F(FaqAssistantTest, TheNearestAnswerComesFirst) {
  const FaqIndex list = index();
  const std::vector<FaqMatch> matches = list.rank(vector_of("the shop where"));
  ASSERT_EQ(matches.size(), 3u);
  EXPECT_EQ(matches[0].answer, 0u);
  EXPECT_GT(matches[0].similarity, matches[1].similarity);
  EXPECT_NEAR(list.nearest_other(vector_of("are you on facebook")), 1, 1e-5);
  EXPECT_LT(list.nearest_other(vector_of("sell bread")), 0.5);
}

TEST_F(FaqAssistantTest, AnIndexComesBackFromItsFolder) {
  const FaqIndex list = index();
  ASSERT_TRUE(list.save(folder_).ok());
  const FaqIndex back = value(FaqIndex::load(folder_, 48));
  const std::vector<float> query = vector_of("what hours do you open");
  const std::vector<FaqMatch> want = list.rank(query);
  const std::vector<FaqMatch> got = back.rank(query);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].answer, want[i].answer);
    EXPECT_EQ(got[i].similarity, want[i].similarity);
  }
  EXPECT_FALSE(FaqIndex::load(folder_, 47).ok());
  std::string json = value(read_file(folder_ / "faq.json"));
  json.replace(json.find("\"what hours\""), 12, "\"what hours\", \"answer\": 1}, {\"text\": \"more\"");
  ASSERT_TRUE(write_file(folder_ / "faq.json", json).ok());
  EXPECT_FALSE(FaqIndex::load(folder_, 48).ok());
}

TEST_F(FaqAssistantTest, AnIndexOfNumbersThatAreNoneIsRefused) {
  ASSERT_TRUE(index().save(folder_).ok());
  std::string vectors = value(read_file(folder_ / "faq.safetensors"));
  vectors.replace(vectors.size() - 4, 4, "\xff\xff\xff\x7f");
  ASSERT_TRUE(write_file(folder_ / "faq.safetensors", vectors).ok());
  EXPECT_FALSE(FaqIndex::load(folder_, 48).ok());
}

TEST_F(FaqAssistantTest, WhatIsNearerToOtherQuestionsIsDeclined) {
  const auto assistant = FaqAssistant::create(embedder(), index(), "no idea");
  EXPECT_EQ(value(assistant->reply("where is shop")).text, "At the station.");
  EXPECT_EQ(value(assistant->reply("wifi password")).text, "no idea");
  EXPECT_TRUE(value(assistant->reply("wifi password")).judgement.declined);
}

TEST_F(FaqAssistantTest, OtherQuestionsThatTheListMeansTooAreLeftOut) {
  std::vector<std::string> others{"where the shop is", "are you on facebook"};
  const FaqIndex untaught = value(FaqIndex::build_untaught(kList, others, embedder()));
  EXPECT_EQ(others, (std::vector<std::string>{"are you on facebook"}));
  const FaqIndex same = value(FaqIndex::build(kList, others, embedder()));
  const std::vector<float> query = vector_of("where are you");
  EXPECT_EQ(untaught.nearest_other(query), same.nearest_other(query));
  EXPECT_EQ(untaught.rank(query)[0].similarity, same.rank(query)[0].similarity);
}

// No two texts of one answer share a word: only the lessons can bring them together.
TEST_F(FaqAssistantTest, LessonsBringQuestionsToTheirAnswers) {
  const FaqList strange{
      .answers = {"cake", "toilet", "hiring"},
      .questions = {{"milk", 0}, {"station", 0}, {"coffee", 1}, {"park", 1}, {"dog", 2}, {"euro", 2}}};
  Embedder pupil = embedder();
  const Adapter adapter = value(new_adapter(pupil.transformer(), {.rank = 4, .alpha = 8}));
  ASSERT_TRUE(attach_adapter(pupil.transformer(), adapter).ok());
  Context& ctx = runtime_->context();
  const FaqLessons lessons(strange, kOthers, 1);
  Trainer trainer(ctx, train_adapters(pupil.transformer()),
                  {.optimizer = {}, .schedule = {.kind = ScheduleKind::kConstant, .rate = 1e-2f}});
  std::vector<double> losses;
  for (int64_t step = 0; step < 2 * lessons.steps(); ++step) {
    const std::vector<PartLoss> parts{[&] { return lessons.loss(ctx, pupil, step % lessons.steps()); }};
    losses.push_back(value(trainer.step(parts)).loss);
  }
  EXPECT_GT(losses.front(), 5);
  EXPECT_LT(losses.back(), losses.front() / 3);
}

TEST_F(FaqAssistantTest, ATestCountsWhatIsRightMissedAndDeclined) {
  const auto assistant = FaqAssistant::create(embedder(), index(), "no idea");
  const auto sample = [](const std::string& question, const std::string& answer) {
    Sample made{.place = question};
    made.messages.push_back({{"role", "user"}, {"content", question}});
    made.has_answer = !answer.empty();
    if (made.has_answer) made.messages.push_back({{"role", "assistant"}, {"content", answer}});
    return made;
  };
  const std::vector<Sample> test{sample("where is shop", "At the station."), sample("sell bread", "At nine."),
                                 sample("wifi password", "At nine."), sample("are you on facebook", ""),
                                 sample("when open", "")};
  std::vector<std::string> reasons;
  const auto on_item = [&](const FaqTestItem& item) {
    const Json line = to_json(item);
    EXPECT_EQ(line["right"], item.score.right());
    EXPECT_EQ(line["reason"].get<std::string>().empty(), item.score.right());
    reasons.push_back(line["reason"]);
    return ok_status();
  };
  const FaqTestResult result = value(test_faq(*assistant, test, on_item, CancelToken()));
  EXPECT_EQ(reasons, (std::vector<std::string>{"", "lacks \"At nine.\"", "declined", "", "there is no answer"}));
  EXPECT_EQ(result.answerable, 3);
  EXPECT_EQ(result.right, 1);
  EXPECT_EQ(result.missed, 1);
  EXPECT_EQ(result.unanswerable, 2);
  EXPECT_EQ(result.declined, 1);
}

// The test list says the shop's answer in words of its own, and its key facts.
TEST_F(FaqAssistantTest, FactsCountAndNotTheWording) {
  const auto assistant = FaqAssistant::create(embedder(), index(), "no idea");
  const auto sample = [](const std::string& question, const std::string& answer, std::vector<Fact> facts) {
    Sample made{.place = question, .facts = std::move(facts)};
    made.messages = {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}};
    return made;
  };
  const std::vector<Sample> test{sample("where is shop", "You find us in the station.", {{"station", "terminus"}}),
                                 sample("where is shop", "In the old station.", {{"station"}, {"old"}}),
                                 sample("where is shop", "You find us in the station.", {})};
  std::vector<std::string> reasons;
  const auto on_item = [&](const FaqTestItem& item) {
    reasons.push_back(item.score.reason());
    return ok_status();
  };
  EXPECT_EQ(value(test_faq(*assistant, test, on_item, CancelToken())).right, 1);
  EXPECT_EQ(reasons, (std::vector<std::string>{"", "lacks \"old\"", "lacks \"You find us in the station.\""}));
}

TEST_F(FaqAssistantTest, OnlyShortQuestionsAndAnswersAreAList) {
  Dataset dataset;
  dataset.form = DataForm::kQuestionAnswer;
  for (const char* question : {"one", "two"}) {
    Sample made{.place = question};
    made.messages = {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", question}}};
    dataset.train.push_back(made);
  }
  EXPECT_TRUE(is_faq(dataset));
  dataset.train[0].messages[1]["content"] = std::string(5000, 'x');
  EXPECT_FALSE(is_faq(dataset));
  dataset.train.erase(dataset.train.begin());
  EXPECT_FALSE(is_faq(dataset));
}

}  // namespace
}  // namespace linnet
