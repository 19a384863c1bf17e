// The real sets that `tune` is measured on: each is understood, as a whole, without a flag.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

#include "data/dataset.hpp"
#include "data/pack.hpp"
#include "data/refuse.hpp"
#include "data/render_testing.hpp"
#include "data/unusable.hpp"

namespace linnet {
namespace {

namespace fs = std::filesystem;

fs::path shared_data() {
  const char* set = std::getenv("LINNET_SHARED");
  return (set != nullptr ? fs::path(set) : fs::path(LINNET_SOURCE_DIR).parent_path() / "shared") / "data";
}

struct RealSet {
  std::string path;
  DataForm form;
  size_t rows;      // all of them, before anything is held out
  size_t held_out;  // of a dev file; 0: there is none
  size_t test;
};

// Rows as the sets' own descriptions count them, or as Python's readers do.
const std::vector<RealSet> kSets = {
    {"bitext_shop_intents", DataForm::kLabels, 6480, 810, 810},
    {"banking77/train.csv", DataForm::kLabels, 10003, 0, 0},
    {"sms_spam", DataForm::kLabels, 5574, 0, 0},
    {"sentence_polarity", DataForm::kLabels, 10662, 0, 0},
    {"tatoeba_phrases/en-de.train.tsv", DataForm::kPromptCompletion, 95423, 0, 0},
    {"tatoeba_phrases", DataForm::kPromptCompletion, 95423 + 86841, 0, 1318 + 1483},
    {"lecture_notes", DataForm::kSummary, 172, 0, 44},
    {"dolly_hhrlhf_small", DataForm::kPromptCompletion, 1000, 0, 0},
    {"self_instruct", DataForm::kAlpaca, 175 + 252, 0, 0},
    {"covid_faq/covid_faq_cdc.csv", DataForm::kQuestionAnswer, 111, 0, 0},
    {"gsm8k", DataForm::kQuestionAnswer, 7473, 0, 1319},
};

class SharedData : public testing::TestWithParam<RealSet> {};

TEST_P(SharedData, IsUnderstood) {
  const RealSet& one = GetParam();
  if (!fs::exists(shared_data())) GTEST_SKIP() << "../shared absent";
  const auto set = load_dataset({.paths = {(shared_data() / one.path).string()}, .held_out = 0.05});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  EXPECT_EQ(form_name(set->form), form_name(one.form));
  if (one.held_out > 0) {
    EXPECT_EQ(set->train.size(), one.rows);
    EXPECT_EQ(set->held_out.size(), one.held_out);
  } else {
    EXPECT_EQ(set->train.size() + set->held_out.size(), one.rows);
  }
  EXPECT_EQ(set->test.size(), one.test);
  for (const std::string& sentence : set->said) std::cout << sentence.substr(sentence.rfind('/') + 1) << "\n";
}

INSTANTIATE_TEST_SUITE_P(Sets, SharedData, testing::ValuesIn(kSets));

TEST(SharedDataForms, WhatHasNoFormIsRefused) {
  if (!fs::exists(shared_data())) GTEST_SKIP() << "../shared absent";
  for (const char* path : {"covid_faq/eval_question_similarity_en.csv", "banking77/categories.json", "xquad_like"}) {
    const fs::path file = shared_data() / path;
    if (fs::exists(file)) {
      EXPECT_FALSE(read_samples({file.string()}).ok()) << path;
    }
  }
}

TEST(SharedDataForms, TheLabelsOfTheShopAreItsIntents) {
  if (!fs::exists(shared_data())) GTEST_SKIP() << "../shared absent";
  const auto samples = read_samples({(shared_data() / "bitext_shop_intents/dev.csv").string()});
  ASSERT_TRUE(samples.ok());
  EXPECT_NE(samples->said[0].find("text in \"utterance\", label in \"intent\" (27 different)"), std::string::npos)
      << samples->said[0];
}

TEST(SharedDataForms, TreesAreRenderedAndPackedWithoutLoss) {
  if (!fs::exists(shared_data())) GTEST_SKIP() << "../shared absent";
  const auto samples = read_samples({(shared_data() / "oasst_sample").string() + "/en_100_tree.jsonl"});
  ASSERT_TRUE(samples.ok()) << samples.error().to_string();
  EXPECT_EQ(samples->form, DataForm::kTree);
  size_t replies = 0;
  for (const Sample& sample : samples->samples) {
    replies += static_cast<size_t>(std::ranges::count_if(
        sample.messages, [](const Json& m) { return m["role"] == "assistant" && m["weight"] == 1; }));
  }
  const Tokenizer tokenizer = tokenizer_with_special("smollm", {"<|im_start|>", "<|im_end|>"});
  const auto chat = ChatTemplate::parse(
      Json("{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
           "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"),
      "chatml");
  const Renderer renderer({.tokenizer = &tokenizer, .chat_template = &*chat, .max_length = 32768});
  ThreadPool pool(2);
  const auto set = renderer.render_all(samples->samples, samples->form, pool);
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  EXPECT_EQ(set->sequences.size(), samples->samples.size());
  EXPECT_TRUE(find_unusable(samples->samples, samples->form).empty());
  EXPECT_TRUE(find_cut_off(samples->samples, *set).empty());
  EXPECT_TRUE(refuse_masked_end(samples->samples, *set, renderer.end_ids(), kNoToken, 32768).ok());
  const int32_t end = *tokenizer.id_of("<|im_end|>");
  size_t learned_ends = 0;
  for (const TokenSequence& one : set->sequences) {
    for (size_t t = 0; t < one.tokens.size(); ++t) learned_ends += one.tokens[t] == end && one.learned[t] != 0 ? 1 : 0;
  }
  EXPECT_EQ(set->cut.sequences, 0U);
  EXPECT_EQ(learned_ends, replies);
  const auto rows = pack_epoch(*set, 32768, 1, 0);
  EXPECT_GT(fill_of(*set, rows, 32768), 0.9);
}

}  // namespace
}  // namespace linnet
