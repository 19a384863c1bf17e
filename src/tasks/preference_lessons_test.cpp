// A small model learns which of two replies is wanted, by each method; feeds see every pair once.
#include "tasks/preference_lessons.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "data/unusable.hpp"
#include "kernels/registry.hpp"
#include "models/adapter.hpp"
#include "models/reference_testing.hpp"
#include "tasks/model_handle.hpp"
#include "tasks/tokenizer_loader.hpp"
#include "train/parameters.hpp"

namespace linnet {
namespace {

TokenSet replies_of_lengths(const std::vector<size_t>& lengths) {
  TokenSet set;
  for (const size_t length : lengths) {
    TokenSequence sequence;
    sequence.tokens.assign(length, 1);
    sequence.learned.assign(length, 1);
    sequence.learned.front() = 0;
    set.sequences.push_back(std::move(sequence));
  }
  return set;
}

TEST(PreferenceFeed, EachEpochHasEveryPairOnceAndNoPairIsTorn) {
  const TokenSet set = replies_of_lengths({5, 6, 3, 3, 20, 30, 4, 4, 2, 9});
  const PreferenceFeed feed(set, 24, 2, 3, 7);
  EXPECT_EQ(feed.steps(), 9);
  std::vector<std::vector<uint32_t>> orders;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<uint32_t> order;
    for (int64_t step = epoch * 3; step < epoch * 3 + 3; ++step) {
      for (const PackedRow& row : feed.rows(step)) {
        size_t tokens = 0;
        for (size_t i = 0; i < row.size(); i += 2) {
          EXPECT_EQ(row[i] % 2, 0U);
          EXPECT_EQ(row[i + 1], row[i] + 1);
          order.push_back(row[i] / 2);
          tokens += set.sequences[row[i]].tokens.size() + set.sequences[row[i + 1]].tokens.size();
        }
        EXPECT_TRUE(tokens <= 24 || row.size() == 2) << tokens;
      }
    }
    EXPECT_EQ(std::set<uint32_t>(order.begin(), order.end()).size(), 5U);
    EXPECT_EQ(order.size(), 5U);
    orders.push_back(order);
  }
  EXPECT_NE(orders[0], orders[1]);
}

Sample sample(const std::string& question, const std::string& good, const std::string& bad) {
  const auto conversation = [&](const std::string& reply) {
    return Json::array(
        {Json{{"role", "user"}, {"content", question}}, Json{{"role", "assistant"}, {"content", reply}}});
  };
  return {.place = question, .messages = conversation(good), .rejected = conversation(bad)};
}

class PreferenceLessonsTest : public testing::Test {
 protected:
  PreferenceLessonsTest()
      : description_(value(describe_model(golden_dir() / "tiny_chat"))),
        tokenizer_(value(load_tokenizer(description_.files))),
        template_(value(load_chat_template(description_.files, "tiny_chat", tokenizer_))) {}

  Preferences render(std::vector<Sample> samples, PreferenceMethod method) {
    RenderSettings settings;
    settings.tokenizer = &tokenizer_;
    settings.chat_template = &template_;
    return value(render_preferences(samples, method, Renderer(settings), pool_));
  }

  struct Learned {
    std::vector<float> losses;
    Lessons::HeldOut before;
    Lessons::HeldOut after;
    Lessons::HeldOut test;
  };
  // Held out is what is taught: the question is whether it is learned at all.
  Learned learn(const std::vector<Sample>& samples, PreferenceMethod method, int64_t row_length, int64_t steps) {
    Transformer model = value(load_transformer(description_));
    model.pack(ctx_, description_.files.mapped);
    const Adapter adapter = value(new_adapter(model, {.rank = 4, .alpha = 8, .seed = 3}));
    EXPECT_TRUE(attach_adapter(model, adapter).ok());
    PreferenceLessons lessons(
        render(samples, method), render(samples, method), render(samples, method),
        {.method = method, .beta = 0.1, .row_length = row_length, .pairs_per_step = 4, .epochs = steps});
    EXPECT_TRUE(lessons.begin(ctx_, model).ok());
    Learned learned;
    learned.before = value(lessons.held_out(ctx_, model));
    TrainerConfig config;
    config.schedule = {.rate = 0.01f, .steps = steps};
    Trainer trainer(ctx_, train_adapters(model), config);
    for (int64_t step = 0; step < steps; ++step) {
      const std::vector<PartLoss> parts = value(lessons.parts(ctx_, model, step));
      learned.losses.push_back(static_cast<float>(value(trainer.step(parts)).loss));
    }
    learned.after = value(lessons.held_out(ctx_, model));
    learned.test = value(lessons.test(ctx_, model));
    return learned;
  }

  ModelDescription description_;
  Tokenizer tokenizer_;
  ChatTemplate template_;
  ThreadPool pool_{2};
  Context ctx_{pool_, *value(kernel_table_for_this_machine())};
};

const std::vector<Sample> kPairs{
    sample("Hello", "Le ciel.", "Hello. I am Linnet."), sample("Hello there", "Le ciel.", "one two three"),
    sample("Who are you?", "Hello Eve.", "I am Linnet."), sample("Count", "one", "one two three four five")};

TEST_F(PreferenceLessonsTest, DpoBeginsAtLogTwoAndLearns) {
  const Learned learned = learn(kPairs, PreferenceMethod::kDpo, 512, 12);
  EXPECT_NEAR(learned.losses[0], std::log(2.0), 1e-4);
  EXPECT_NEAR(learned.before.loss, std::log(2.0), 1e-4);
  EXPECT_LT(learned.after.loss, 0.3);
  EXPECT_EQ(learned.after.right, 1.0);
  EXPECT_EQ(learned.test.loss, learned.after.loss);  // the same pairs
  EXPECT_EQ(learned.test.right, 1.0);
}

TEST_F(PreferenceLessonsTest, OrpoLearns) {
  const Learned learned = learn(kPairs, PreferenceMethod::kOrpo, 512, 20);
  EXPECT_LT(learned.after.loss, 0.5 * learned.before.loss);
  EXPECT_EQ(learned.after.right, 1.0);
}

TEST_F(PreferenceLessonsTest, KtoLearnsFromSingleReplies) {
  std::vector<Sample> samples;
  for (const Sample& pair : kPairs) {
    Sample good = pair;
    Sample bad = pair;
    bad.messages = pair.rejected;
    bad.desired = false;
    samples.push_back(std::move(good));
    samples.push_back(std::move(bad));
  }
  const Learned learned = learn(samples, PreferenceMethod::kKto, 512, 24);
  EXPECT_NEAR(learned.losses[0], 0.5, 1e-4);
  EXPECT_LT(learned.after.loss, 0.42);
  EXPECT_GE(learned.after.right, 0.75);
}

// How pairs are cut into rows changes nothing but the last bits.
TEST_F(PreferenceLessonsTest, RowsAreOnlyAMatterOfMemory) {
  for (const PreferenceMethod method : {PreferenceMethod::kDpo, PreferenceMethod::kOrpo, PreferenceMethod::kKto}) {
    const Learned together = learn(kPairs, method, 512, 3);
    const Learned apart = learn(kPairs, method, 8, 3);
    for (size_t step = 0; step < 3; ++step) EXPECT_NEAR(together.losses[step], apart.losses[step], 2e-4) << step;
  }
}

TEST_F(PreferenceLessonsTest, RepliesWithoutATokenLeftAreFound) {
  RenderSettings settings;
  settings.tokenizer = &tokenizer_;
  settings.chat_template = &template_;
  settings.max_length = 8;
  const Preferences cut = value(render_preferences(kPairs, PreferenceMethod::kDpo, Renderer(settings), pool_));
  EXPECT_EQ(find_cut_off(kPairs, cut.replies, true).size(), kPairs.size());
  EXPECT_EQ(cut.replies.cut.sequences, 2 * kPairs.size());
}

}  // namespace
}  // namespace linnet
