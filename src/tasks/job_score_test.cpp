#include "tasks/job_score.hpp"

#include <gtest/gtest.h>

#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet {
namespace {

Sample pair(const std::string& said, const std::string& reply) {
  return {.place = "en-fr.tsv, line 1",
          .messages = {{{"role", "user"}, {"content", said}}, {{"role", "assistant"}, {"content", reply}}}};
}

// What the golden model says by heart to "Hello", and to nothing else.
constexpr const char* kKnown = "Hello. I am Linnet.";

Dataset dataset_of(DataForm form, bool pairs, size_t count) {
  Dataset dataset{.form = form, .pairs = pairs, .train = {pair("Go.", "Va.")}};
  for (size_t i = 0; i < count; ++i) {
    dataset.held_out.push_back(i == 0 ? pair("Hello", kKnown) : pair("Hello " + std::to_string(i), "un deux trois"));
  }
  return dataset;
}

class JobScoreTest : public testing::Test {
 protected:
  JobAsking asking(uint64_t seed = 0) const {
    return {.chat_template = &template_,
            .tokenizer = &tokenizer_,
            .end_tokens = end_tokens(handle_, tokenizer_),
            .longest = model_.config().max_positions,
            .seed = seed};
  }
  std::optional<JobScore> prepare(const Dataset& dataset, const JobWork& work, uint64_t seed = 0) const {
    return value(JobScore::prepare(dataset, asking(seed), work));
  }
  // Of a score that must be there; else nothing.
  JobScore::Measured measure(const std::optional<JobScore>& score, int threads) const {
    EXPECT_TRUE(score.has_value());
    if (!score) return {};
    ThreadPool pool(threads);
    Context ctx(pool, reference_kernels());
    const CancelToken never;
    return value(score->measure(ctx, model_, never));
  }

  ModelHandle handle_ = value(find_model((golden_dir() / "tiny_chat").string()));
  Transformer model_ = value(load_transformer(handle_.description));
  Tokenizer tokenizer_ = value(load_tokenizer(handle_.description.files));
  ChatTemplate template_ = value(load_chat_template(handle_, tokenizer_));
};

constexpr JobWork kMuch{.tokens = 1e7, .evaluations = 10};

double score_called(const JobScore::Measured& measured, const std::string& name) {
  const auto found = std::ranges::find(measured.scores, name, &Score::name);
  EXPECT_NE(found, measured.scores.end()) << name;
  return found == measured.scores.end() ? -1 : found->value;
}

TEST_F(JobScoreTest, EachJobHasItsOwnAndOthersHaveNone) {
  const auto names_of = [&](DataForm form, bool pairs) {
    std::string names;
    const auto score = prepare(dataset_of(form, pairs, 5), kMuch);
    if (!score) return names;
    for (const Score& one : measure(score, 1).scores) names += one.name + " ";
    return names;
  };
  EXPECT_EQ(names_of(DataForm::kPromptCompletion, true), "chrf ");
  EXPECT_EQ(names_of(DataForm::kSummary, false), "rougeL ");
  EXPECT_EQ(names_of(DataForm::kQuestionAnswer, false), "exact_match f1 ");
  for (const DataForm form : {DataForm::kText, DataForm::kMessages, DataForm::kPreference}) {
    EXPECT_EQ(names_of(form, false), "");
  }
  EXPECT_FALSE(prepare(dataset_of(DataForm::kQuestionAnswer, false, 0), kMuch));
}

TEST_F(JobScoreTest, ARightReplyCountsAndAWrongOneDoesNot) {
  const auto one = prepare(dataset_of(DataForm::kQuestionAnswer, false, 1), kMuch);
  ASSERT_TRUE(one);
  const JobScore::Measured right = measure(one, 1);
  EXPECT_EQ(score_called(right, "exact_match"), 1);
  EXPECT_EQ(score_called(right, "f1"), 1);
  EXPECT_EQ(right.sample, std::string("asked: Hello\nright: ") + kKnown + "\nreply: " + kKnown);
  const auto phrase = prepare(dataset_of(DataForm::kPromptCompletion, true, 1), kMuch);
  EXPECT_NEAR(score_called(measure(phrase, 1), "chrf"), 100, 1e-9);

  Dataset wrong = dataset_of(DataForm::kQuestionAnswer, false, 0);
  wrong.held_out = {pair("Hello", "Le ciel.")};
  EXPECT_EQ(score_called(measure(prepare(wrong, kMuch), 1), "f1"), 0);
}

TEST_F(JobScoreTest, IsTheSameOnAnyNumberOfThreadsAndBySeed) {
  const Dataset dataset = dataset_of(DataForm::kPromptCompletion, true, 40);
  const auto score = prepare(dataset, kMuch);
  const JobScore::Measured once = measure(score, 1);
  for (const int threads : {1, 2, 4}) {
    const JobScore::Measured again = measure(score, threads);
    EXPECT_EQ(again.scores[0].value, once.scores[0].value);
    EXPECT_EQ(again.sample, once.sample);
  }
  EXPECT_NE(measure(prepare(dataset, kMuch, 7), 1).sample, once.sample) << "other samples by another seed";
}

TEST_F(JobScoreTest, TakesASmallPartOfTheWork) {
  const Dataset dataset = dataset_of(DataForm::kPromptCompletion, true, 100);
  for (const double tokens : {3e4, 1e5, 3e5, 1e6, 1e7}) {
    const JobWork work{.tokens = tokens, .evaluations = 12};
    const auto score = prepare(dataset, work);
    ASSERT_TRUE(score);
    const int64_t times = 2 + work.evaluations / score->every();
    EXPECT_LE(static_cast<double>(times) * score->cost(), 0.1 * tokens);
    EXPECT_GE(score->items(), 8u);
    EXPECT_LE(score->items(), 24u);
  }
  // Of next to no work a few are asked all the same, before and after.
  const auto least = prepare(dataset, {.tokens = 100, .evaluations = 12});
  ASSERT_TRUE(least);
  EXPECT_EQ(least->items(), 4u);
  EXPECT_GT(least->every(), 12);
  EXPECT_GT(least->cache_bytes(model_), 0);
}

TEST_F(JobScoreTest, StopsWhenAskedTo) {
  const auto score = prepare(dataset_of(DataForm::kSummary, false, 5), kMuch);
  if (!score) FAIL() << "summaries have a score";
  ThreadPool pool(1);
  Context ctx(pool, reference_kernels());
  CancelToken cancel;
  cancel.cancel();
  const auto stopped = score->measure(ctx, model_, cancel);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace linnet
