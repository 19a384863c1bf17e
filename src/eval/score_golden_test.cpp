// Scores beside those of the programs that define them: tests/golden/make_eval.py.
#include <cmath>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "eval/classification.hpp"
#include "eval/gsm8k_score.hpp"
#include "eval/porter_stemmer.hpp"
#include "eval/rouge.hpp"
#include "eval/squad_score.hpp"
#include "eval/translation_score.hpp"

namespace linnet {
namespace {

const Json& golden() {
  static const Json json = [] {
    auto read = read_json_file(LINNET_SOURCE_DIR "/tests/golden/eval/scores.json");
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    return std::move(read).value();
  }();
  return json;
}

using Texts = std::vector<std::string>;

TEST(ScoreGolden, TokensAreThoseOfMteval13a) {
  for (const Json& one : golden()["tokens"]) {
    const std::string line = one[0];
    std::string bare = line;
    while (!bare.empty() && (bare.back() == ' ' || bare.back() == '\n')) bare.pop_back();
    EXPECT_EQ(tokenize_13a(bare), one[1].get<std::string>()) << line;
  }
}

TEST(ScoreGolden, StemsAreThoseOfNltk) {
  ASSERT_GT(golden()["stems"].size(), 500u);
  for (const auto& [word, stem] : golden()["stems"].items())
    EXPECT_EQ(porter_stem(word), stem.get<std::string>()) << word;
}

TEST(ScoreGolden, BleuAndChrfAreThoseOfSacrebleu) {
  for (const Json& one : golden()["translation"]) {
    std::vector<Translation> segments;
    for (const Json& segment : one["segments"]) segments.push_back({segment[0], segment[1].get<Texts>()});
    const Metric counts = bleu_metric(segments);
    EXPECT_NEAR(counts.value(), one["bleu"].get<double>(), 1e-9);
    EXPECT_EQ("BLEU = " + bleu(counts.sums()).to_string(), one["bleu_text"].get<std::string>());
    EXPECT_EQ(bleu_signature(segments), one["bleu_signature"].get<std::string>());
    EXPECT_NEAR(chrf_metric(segments).value(), one["chrf"].get<double>(), 1e-9);
    EXPECT_EQ(chrf_signature(segments), one["chrf_signature"].get<std::string>());
  }
}

// The deliberately wrong case: outputs with one word more.
TEST(ScoreGolden, AWordTooMuchIsNoticed) {
  size_t noticed = 0;
  for (const Json& one : golden()["translation"]) {
    std::vector<Translation> segments;
    for (const Json& segment : one["segments"]) segments.push_back({segment[0], segment[1].get<Texts>()});
    segments[0].output += " unforeseen";
    const auto differs = [](double told, const Json& want) { return std::abs(told - want.get<double>()) > 1e-9; };
    if (one["bleu"] > 0) {
      EXPECT_TRUE(differs(bleu_metric(segments).value(), one["bleu"])) << one;
    }
    if (one["chrf"] > 0) {
      EXPECT_TRUE(differs(chrf_metric(segments).value(), one["chrf"])) << one;
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 30U);
}

TEST(ScoreGolden, RougeIsThatOfRougeScore) {
  for (const Json& one : golden()["rouge"]) {
    const auto scores = rouge(one[0].get<std::string>(), one[1].get<Texts>(), one[2].get<bool>());
    ASSERT_TRUE(scores.ok());
    for (size_t k = 0; k < kRougeNames.size(); ++k) {
      const Json& want = one[3][kRougeNames[k]];
      EXPECT_NEAR((*scores)[k].precision, want[0].get<double>(), 1e-12) << kRougeNames[k] << " " << one[0];
      EXPECT_NEAR((*scores)[k].recall, want[1].get<double>(), 1e-12) << kRougeNames[k] << " " << one[0];
      EXPECT_NEAR((*scores)[k].f, want[2].get<double>(), 1e-12) << kRougeNames[k] << " " << one[0];
    }
  }
}

TEST(ScoreGolden, LabelsAreCountedAsInScikitLearn) {
  for (const Json& one : golden()["labels"]) {
    std::vector<Labelled> items;
    for (size_t i = 0; i < one[0].size(); ++i) items.push_back({one[0][i], one[1][i]});
    const size_t classes = one[2];
    EXPECT_NEAR(accuracy_metric(items).value(), one[3].get<double>(), 1e-12);
    EXPECT_NEAR(macro_f1_metric(items, classes).value(), one[4].get<double>(), 1e-12);
    const ConfusionMatrix matrix = confusion(items, classes);
    const std::vector<double> f1 = class_f1(matrix);
    for (size_t c = 0; c < classes; ++c) {
      EXPECT_NEAR(f1[c], one[5][c].get<double>(), 1e-12);
      for (size_t p = 0; p < classes; ++p) EXPECT_EQ(matrix.at(c, p), one[6][c][p].get<int64_t>());
    }
  }
}

TEST(ScoreGolden, AnswersAreCountedAsInSquad) {
  for (const Json& one : golden()["squad"]) {
    const auto references = one[1].get<Texts>();
    EXPECT_EQ(exact_match(one[0].get<std::string>(), references), one[2].get<double>()) << one;
    EXPECT_NEAR(answer_f1(one[0].get<std::string>(), references), one[3].get<double>(), 1e-12) << one;
  }
}

TEST(ScoreGolden, NumbersAreFoundAsInTheHarness) {
  for (const Json& one : golden()["numbers"]) {
    const std::string output = one[0], reference = one[1];
    EXPECT_EQ(same_number(strict_number(output), reference) ? 1.0 : 0.0, one[2].get<double>()) << one;
    EXPECT_EQ(same_number(flexible_number(output), reference) ? 1.0 : 0.0, one[3].get<double>()) << one;
  }
}

}  // namespace
}  // namespace linnet
