// The chooser with its cache, beside a forward of everything that it reads.
#include "tasks/faq_chooser.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "engine/sampler.hpp"
#include "models/model.hpp"
#include "models/reference_testing.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet {
namespace {

const FaqList kList{.answers = {"At the station.", "At nine.", "Yes, bread and cake."},
                    .questions = {{"Where is the shop?", 0}, {"when do you open", 1}, {"What hours", 1}, {"bread", 2}}};
const std::vector<std::string> kQuestions{"where are you?", "hours on sunday", "do you bake", "where are you?"};

class FaqChooserTest : public testing::Test {
 protected:
  FaqChooser chooser(int64_t cache_bytes) { return {model_, tokenizer_, ctx_, kList, cache_bytes}; }

  // log p(question | what stands before it) by one forward without a cache, as likelihoods() scales it.
  double by_forward(const std::string& before, const std::string& question) {
    std::vector<int32_t> tokens = value(tokenizer_.encode(before, {.add_special = true}));
    const std::vector<int32_t> asked = value(tokenizer_.encode(" " + question + "\n", {}));
    const size_t begin = tokens.size();
    tokens.insert(tokens.end(), asked.begin(), asked.end());
    const Tensor logits = value(model_.forward(ctx_, whole_sequence(tokens), nullptr)).logits;
    double sum = 0;
    for (size_t t = begin; t < tokens.size(); ++t) {
      sum += log_probability(logits.rows(static_cast<int64_t>(t) - 1, 1).span<float>(), tokens[t]);
    }
    return sum / std::sqrt(static_cast<double>(asked.size()));
  }

  ThreadPool pool_{1};
  Context ctx_{pool_, reference_kernels()};
  ModelDescription description_ = value(describe_model(golden_dir() / "tiny_chat"));
  Transformer model_ = value(load_transformer(description_));
  Tokenizer tokenizer_ = value(load_tokenizer(description_.files));
};

TEST_F(FaqChooserTest, LikelihoodsAreThoseOfAWholeForward) {
  FaqChooser with_cache = chooser(kFaqCacheBytes);
  const std::vector<uint32_t> answers{2, 1};
  const std::vector<double> got = value(with_cache.likelihoods("Do you BAKE??", answers));
  ASSERT_EQ(got.size(), 2u);
  const double bread =
      by_forward("Our answer: Yes, bread and cake.\nCustomers ask for it like this:\n- bread\n-", "do you bake");
  const double nine = by_forward(
      "Our answer: At nine.\nCustomers ask for it like this:\n- when do you open\n- what hours\n-", "do you bake");
  EXPECT_NEAR(got[0], bread, 1e-3 * std::abs(bread));  // keys and values are kept in half precision
  EXPECT_NEAR(got[1], nine, 1e-3 * std::abs(nine));
  EXPECT_GT(std::abs(bread - nine), 1e-2 * std::abs(nine)) << "they can be told apart";
}

TEST_F(FaqChooserTest, WhatWasAskedBeforeChangesNoBit) {
  const std::vector<uint32_t> all{0, 1, 2};
  FaqChooser roomy = chooser(kFaqCacheBytes);
  FaqChooser narrow = chooser(0);  // keeps what one question needs
  std::vector<std::vector<double>> alone;
  for (const std::string& question : kQuestions) {
    FaqChooser fresh = chooser(kFaqCacheBytes);
    alone.push_back(value(fresh.likelihoods(question, all)));
  }
  for (size_t i = 0; i < kQuestions.size(); ++i) {
    EXPECT_EQ(value(roomy.likelihoods(kQuestions[i], all)), alone[i]) << kQuestions[i];
    EXPECT_EQ(value(narrow.likelihoods(kQuestions[i], all)), alone[i]) << kQuestions[i];
    const std::vector<uint32_t> some{2, 0};
    EXPECT_EQ(value(narrow.likelihoods(kQuestions[i], some)), (std::vector<double>{alone[i][2], alone[i][0]}));
  }
}

// More answers than the cache has room for: those of long ago are forgotten, and read again.
TEST_F(FaqChooserTest, ForgottenAnswersAreReadAgain) {
  FaqList many;
  for (uint32_t i = 0; i < 40; ++i) {
    many.answers.push_back("Answer " + std::to_string(i) + ", which is like no other of them.");
    many.questions.push_back({"question " + std::to_string(i), i});
  }
  const auto ask = [&](FaqChooser& one) {
    std::vector<double> all;
    for (int times = 0; times < 2; ++times) {
      for (uint32_t first = 0; first + 5 <= 40; first += 5) {
        const std::vector<uint32_t> some{first, first + 1, first + 2, first + 3, first + 4};
        for (const double x : value(one.likelihoods("question 7", some))) all.push_back(x);
      }
    }
    return all;
  };
  FaqChooser narrow(model_, tokenizer_, ctx_, many, 0);
  FaqChooser roomy(model_, tokenizer_, ctx_, many, kFaqCacheBytes);
  EXPECT_EQ(ask(narrow), ask(roomy));
}

TEST_F(FaqChooserTest, AQuestionOfNothingTellsNothing) {
  FaqChooser one = chooser(kFaqCacheBytes);
  const std::vector<uint32_t> all{0, 1, 2};
  const std::vector<double> got = value(one.likelihoods("?", all));
  EXPECT_EQ(got.size(), 3u);
  for (const double x : got) EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace linnet
