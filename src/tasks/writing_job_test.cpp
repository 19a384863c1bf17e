#include "tasks/writing_job.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tasks/simple_replies.hpp"
#include "tasks/teaching_time.hpp"

namespace linnet {
namespace {

Sample pair(const std::string& said, const std::string& reply, const std::string& file = "t.tsv") {
  return {.place = file + ", line 1",
          .messages = {{{"role", "user"}, {"content", said}}, {{"role", "assistant"}, {"content", reply}}},
          .group = said};
}

std::string words(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += "word ";
  return text;
}

std::optional<WritingJob> job_of(DataForm form, bool pairs, const Sample& sample) {
  return find_writing_job({.form = form, .pairs = pairs, .train = {sample}});
}

// The job that must be there; else one that equals nothing.
WritingJob known_job(DataForm form, bool pairs, const Sample& sample) {
  const std::optional<WritingJob> job = job_of(form, pairs, sample);
  EXPECT_TRUE(job.has_value());
  return job.value_or(WritingJob{.kind = TaskKind::kNumber, .name = "no job", .system = "no job"});
}

TEST(WritingJob, IsKnownByFormAndShape) {
  const WritingJob german = known_job(DataForm::kPromptCompletion, true, pair("Go.", "Geh.", "data/en-de.train.tsv"));
  EXPECT_EQ(german.kind, TaskKind::kTranslation);
  EXPECT_EQ(german.name, "en-de");
  EXPECT_EQ(german.system, "Translate into German.");
  EXPECT_EQ(known_job(DataForm::kPromptCompletion, true, pair("Go.", "Geh.")).system, "");
  EXPECT_FALSE(job_of(DataForm::kPromptCompletion, false, pair("Go.", "Geh.")));
  EXPECT_TRUE(job_of(DataForm::kPromptCompletion, false, pair("Va.", "Va.", "fr_it.csv")));

  EXPECT_EQ(known_job(DataForm::kPromptCompletion, true, pair(words(300), words(20))).kind, TaskKind::kSummary);
  EXPECT_EQ(known_job(DataForm::kPromptCompletion, true, pair(words(300), words(280))).kind, TaskKind::kTranslation);
  EXPECT_EQ(known_job(DataForm::kSummary, false, pair("Short.", "Shorter.")).system, "Summarize the key points.");
  EXPECT_FALSE(job_of(DataForm::kLabels, false, pair("a", "b", "en-de.tsv")));
  EXPECT_FALSE(find_writing_job({.form = DataForm::kSummary}));
}

TEST(WritingJob, ATestAsksEachPhraseOnce) {
  const WritingJob job{.kind = TaskKind::kTranslation, .name = "en-de"};
  std::vector<Sample> samples = {pair("Hi.", "Hallo!"), pair("Go.", "Geh."), pair("Hi.", "Guten Tag!")};
  for (int i = 0; i < 40; ++i) samples.push_back(pair("x" + std::to_string(i), "y"));
  const auto task = writing_task(job, samples, 0);
  ASSERT_TRUE(task.ok()) << task.error().to_string();
  ASSERT_EQ(task->items.size(), 42U);
  const auto hi = std::ranges::find(task->items, "Hi.", &TaskItem::request);
  EXPECT_EQ(hi->references, (std::vector<std::string>{"Hallo!", "Guten Tag!"}));
  EXPECT_EQ(hi->number, 1);
  const auto order = [](const Task& one) {
    std::vector<int64_t> numbers;
    numbers.reserve(one.items.size());
    for (const TaskItem& item : one.items) numbers.push_back(item.number);
    return numbers;
  };
  EXPECT_FALSE(std::ranges::is_sorted(order(*task)));
  EXPECT_EQ(order(*task), order(*writing_task(job, samples, 0)));
  EXPECT_NE(order(*task), order(*writing_task(job, samples, 1)));
  samples.push_back(pair("Nothing.", " "));
  EXPECT_FALSE(writing_task(job, samples, 0).ok());
}

TEST(TeachingTime, AllOfItAsOftenAsFitsElseAPartOnce) {
  const TeachingTime time{.seconds = 100, .tokens_per_second = 50, .tokens_per_sample = 10, .most_epochs = 3};
  EXPECT_EQ(amount_for(time, 200).samples, 200U);  // 500 are seen
  EXPECT_EQ(amount_for(time, 200).epochs, 2);
  EXPECT_EQ(amount_for(time, 10).epochs, 3);
  EXPECT_EQ(amount_for(time, 900).samples, 500U);
  EXPECT_EQ(amount_for(time, 900).epochs, 1);
  EXPECT_EQ(amount_for({.seconds = 0, .tokens_per_second = 1, .tokens_per_sample = 1}, 9).samples, 1U);
}

TEST(TeachingTime, APartIsChosenBySeedAndKeepsItsOrder) {
  std::vector<Sample> samples;
  samples.reserve(100);
  for (int i = 0; i < 100; ++i) samples.push_back({.place = fmt::format("{:03}", i)});
  const auto places = [&](size_t count, uint64_t seed) {
    std::vector<std::string> out;
    out.reserve(count);
    for (const Sample& sample : take_samples(samples, count, seed)) out.push_back(sample.place);
    return out;
  };
  EXPECT_EQ(places(30, 1).size(), 30U);
  EXPECT_TRUE(std::ranges::is_sorted(places(30, 1)));
  EXPECT_EQ(places(30, 1), places(30, 1));
  EXPECT_NE(places(30, 1), places(30, 2));
  EXPECT_EQ(places(100, 1).size(), 100U);
  EXPECT_EQ(places(1000, 1).size(), 100U);
}

TEST(SimpleReplies, TheNearestPairSharesTheRarestWords) {
  const NearestPair pairs({"Where is the dog?", "Where is the cat?", "I like bread.", "I like bread."},
                          {"Wo ist der Hund?", "Wo ist die Katze?", "Ich mag Brot.", "Brot mag ich."});
  EXPECT_EQ(pairs.reply("The cat!"), "Wo ist die Katze?");
  EXPECT_EQ(pairs.reply("where is THE dog"), "Wo ist der Hund?");
  EXPECT_EQ(pairs.reply("I like bread."), "Ich mag Brot.");  // the first of equals
  EXPECT_EQ(pairs.reply("Xyzzy"), "Xyzzy");
  EXPECT_EQ(NearestPair({}, {}).reply("Go."), "Go.");
}

TEST(SimpleReplies, TheLeadIsWholeSentences) {
  const std::string text = "## A title\n\nOne two. Three four five! Version 1.5 is out? More.";
  EXPECT_EQ(lead_of(text, 3), "## A title");
  EXPECT_EQ(lead_of(text, 6), "## A title\nOne two.");
  EXPECT_EQ(lead_of(text, 8), "## A title\nOne two.\nThree four five!");
  EXPECT_EQ(lead_of(text, 100), "## A title\nOne two.\nThree four five!\nVersion 1.5 is out?\nMore.");
  EXPECT_EQ(lead_of("One two three four.", 2), "One two");
  EXPECT_EQ(lead_of(" \n\n ", 5), "");
  EXPECT_EQ(lead_of("", 5), "");
}

}  // namespace
}  // namespace linnet
