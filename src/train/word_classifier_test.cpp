// Weighted words as scikit-learn weighs and learns them (tests/golden/make_classifier.py), and the file.
#include "train/word_classifier.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "base/folder_testing.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "formats/safetensors_writer.hpp"
#include "models/reference_testing.hpp"

namespace linnet {
namespace {

Json recording() {
  return value(read_json_file((golden_dir() / "classifier/words.json").string()));
}

struct Texts {
  std::vector<std::string> texts;
  std::vector<int32_t> classes;
  std::vector<std::string> labels;
};

Texts recorded_texts(const Json& json) {
  Texts out;
  for (const Json& label : json["labels"]) out.labels.push_back(label);
  for (const Json& one : json["train"]) {
    out.texts.push_back(one["text"]);
    const auto found = std::find(out.labels.begin(), out.labels.end(), one["label"].get<std::string>());
    out.classes.push_back(static_cast<int32_t>(found - out.labels.begin()));
  }
  return out;
}

void expect_weights(const TermWeights& terms, const Json& one) {
  const TermRow row = terms.weigh(one["text"].get<std::string>());
  ASSERT_EQ(row.size(), one["weights"].size()) << one["text"];
  for (size_t i = 0; i < row.size(); ++i) {
    EXPECT_EQ(terms.terms()[row[i].term], one["weights"][i][0].get<std::string>()) << one["text"];
    EXPECT_NEAR(row[i].weight, one["weights"][i][1].get<double>(), 1e-6) << one["text"];
  }
}

TEST(TermWeightsTest, TermsAreWeightedAsByScikitLearn) {
  const Json json = recording();
  const Texts texts = recorded_texts(json);
  const TermWeights terms = TermWeights::fit(texts.texts, SIZE_MAX);
  ASSERT_EQ(terms.terms().size(), json["idf"].size());
  for (size_t i = 0; i < terms.terms().size(); ++i) {
    ASSERT_TRUE(json["idf"].contains(terms.terms()[i])) << terms.terms()[i];
    EXPECT_NEAR(terms.idf()[i], json["idf"][terms.terms()[i]].get<double>(), 1e-6);
  }
  for (const char* part : {"train", "asked"}) {
    for (const Json& one : json[part]) expect_weights(terms, one);
  }
}

TEST(TermWeightsTest, TheMostFrequentTermsAreKept) {
  const std::vector<std::string> texts{"one two three", "two three", "three"};
  EXPECT_EQ(TermWeights::fit(texts, 2).terms(), (std::vector<std::string>{"three", "two"}));
  EXPECT_EQ(TermWeights::fit(texts, 3).terms(), (std::vector<std::string>{"three", "two", "two three"}));
}

TEST(WordClassifierTest, ProbabilitiesAreThoseOfScikitLearn) {
  const Json json = recording();
  const Texts texts = recorded_texts(json);
  ThreadPool pool(2);
  const TermWeights terms = TermWeights::fit(texts.texts, SIZE_MAX);
  std::vector<TermRow> rows;
  for (const std::string& text : texts.texts) rows.push_back(terms.weigh(text));
  const LogisticModel model =
      value(fit_logistic(pool, rows, texts.classes, terms.terms().size(), texts.labels.size(), {.tolerance = 1e-7}));
  for (const Json& one : json["asked"]) {
    const std::vector<double> got = model.log_probabilities(terms.weigh(one["text"].get<std::string>()));
    for (size_t k = 0; k < got.size(); ++k) {
      EXPECT_NEAR(std::exp(got[k]), one["probabilities"][k].get<double>(), 2e-5) << one["text"];
    }
  }
}

// Texts of words that belong to a class more or less.
Texts random_texts(size_t count) {
  Texts out{{}, {}, {"a", "b", "c", "d"}};
  Random random(3);
  for (size_t i = 0; i < count; ++i) {
    const auto label = static_cast<int32_t>(random.below(4));
    std::string text;
    for (int w = 0; w < 6; ++w) {
      const uint64_t word =
          random.uniform() < 0.5 ? 10 * static_cast<uint64_t>(label) + random.below(10) : random.below(40);
      text += "word" + std::to_string(word) + " ";
    }
    out.texts.push_back(text);
    out.classes.push_back(label);
  }
  return out;
}

TEST(WordClassifierTest, TheSameBitsOnAnyNumberOfThreads) {
  const Texts texts = random_texts(400);
  ThreadPool one(1), three(3);
  const WordClassifier a = value(WordClassifier::fit(one, texts.texts, texts.classes, texts.labels, nullptr));
  const WordClassifier b = value(WordClassifier::fit(three, texts.texts, texts.classes, texts.labels, nullptr));
  size_t right = 0;
  for (size_t i = 0; i < texts.texts.size(); ++i) {
    const std::vector<double> chances = a.log_probabilities(texts.texts[i]);
    ASSERT_EQ(chances, b.log_probabilities(texts.texts[i]));
    const auto best = std::max_element(chances.begin(), chances.end()) - chances.begin();
    if (best == texts.classes[i]) ++right;
  }
  EXPECT_GT(right, 350U);
}

class WordClassifierFile : public FolderTest {
 protected:
  std::filesystem::path path_ = folder_ / "words.safetensors";

  Error refusal(std::vector<TensorToWrite> tensors, std::map<std::string, std::string> metadata) {
    SafetensorsOptions options;
    options.metadata = std::move(metadata);
    EXPECT_TRUE(write_safetensors(path_, std::move(tensors), options).ok());
    const auto read = WordClassifier::open(path_);
    return read.ok() ? Error{ErrorCode::kUsage, "was read", {}, {}} : read.error();
  }

  static TensorToWrite bytes(const std::string& text) {
    Tensor tensor = Tensor::empty(DType::kU8, {static_cast<int64_t>(text.size())});
    std::copy(text.begin(), text.end(), tensor.data<uint8_t>());
    return TensorToWrite::of("terms", tensor);
  }
  static TensorToWrite floats(const char* name, const Shape& shape, float number) {
    Tensor tensor = Tensor::empty(DType::kF32, shape);
    std::fill_n(tensor.data<float>(), tensor.elements(), number);
    return TensorToWrite::of(name, tensor);
  }
};

TEST(WordClassifierTest, EvenEnormousWeightsGiveChancesThatSumToOne) {
  const LogisticModel model{1, 2, {1e30f, 1e30f}, {0, 0}};
  for (const double chance : model.log_probabilities({{0, 1.0f}})) EXPECT_DOUBLE_EQ(chance, std::log(0.5));
}

TEST_F(WordClassifierFile, WhatIsSavedIsReadAgain) {
  const Texts texts = random_texts(50);
  ThreadPool pool(1);
  const WordClassifier made = value(WordClassifier::fit(pool, texts.texts, texts.classes, texts.labels, nullptr));
  ASSERT_TRUE(made.save(path_).ok());
  const WordClassifier read = value(WordClassifier::open(path_));
  EXPECT_EQ(read.labels(), texts.labels);
  EXPECT_EQ(read.terms(), made.terms());
  for (const std::string& text : texts.texts) EXPECT_EQ(read.log_probabilities(text), made.log_probabilities(text));
}

TEST_F(WordClassifierFile, TextsWithoutAWordAreLearnedByTheirLabelsAlone) {
  const std::vector<std::string> texts{"?", "!", "☃"};
  const std::vector<int32_t> classes{0, 0, 1};
  ThreadPool pool(1);
  ASSERT_TRUE(value(WordClassifier::fit(pool, texts, classes, {"x", "y"}, nullptr)).save(path_).ok());
  const std::vector<double> chances = value(WordClassifier::open(path_)).log_probabilities("what");
  EXPECT_NEAR(std::exp(chances[0]), 2.0 / 3, 1e-3);
}

TEST_F(WordClassifierFile, WhatIsNoSuchFileIsRefused) {
  const std::map<std::string, std::string> good{{"linnet", "word classifier 1"}, {"labels", "[\"x\",\"y\"]"}};
  const auto whole = [&](const std::string& terms) {
    return std::vector<TensorToWrite>{bytes(terms), floats("idf", {2}, 1), floats("weights", {2, 2}, 0),
                                      floats("bias", {2}, 0)};
  };
  EXPECT_EQ(refusal(whole("a\nb\n"), good).message, "was read");
  EXPECT_EQ(refusal(whole("a\nb\n"), {}).message, "is not a word classifier");
  EXPECT_EQ(refusal(whole("a\nb\n"), {{"linnet", "word classifier 1"}}).message, "names no labels");
  EXPECT_NE(refusal(whole("a\nb\n"), {{"linnet", "word classifier 1"}, {"labels", "[1]"}}).message, "was read");
  EXPECT_NE(refusal(whole("a\nb\n"), {{"linnet", "word classifier 1"}, {"labels", "[]"}}).message, "was read");
  EXPECT_EQ(refusal(whole("a\nb\n"), {{"linnet", "word classifier 1"}, {"labels", "[\"x\",\"x\"]"}}).message,
            "a label stands there twice");
  EXPECT_EQ(refusal(whole("b\na\n"), good).message, "term 1 is not in order");
  EXPECT_EQ(refusal(whole("a\na\n"), good).message, "term 1 is not in order");
  EXPECT_EQ(refusal(whole("a\nb"), good).message, "does not end with a line break");
  EXPECT_EQ(refusal(whole("a\n\xff\n"), good).message, "is not UTF-8");
  EXPECT_EQ(refusal(whole("a\nb\nc\n"), good).message, "must be F32 (3)");
  EXPECT_EQ(refusal({bytes("a\n"), floats("idf", {1}, 1), floats("weights", {1, 3}, 0), floats("bias", {2}, 0)}, good)
                .message,
            "must be F32 (1, 2)");
  EXPECT_EQ(refusal({bytes("a\n"), floats("idf", {1}, NAN), floats("weights", {1, 2}, 0), floats("bias", {2}, 0)}, good)
                .message,
            "holds NaN or infinite numbers");
  EXPECT_NE(refusal({bytes("a\n"), floats("idf", {1}, -1), floats("weights", {1, 2}, 0), floats("bias", {2}, 0)}, good)
                .message,
            "was read");
  EXPECT_NE(refusal({bytes("a\n"), floats("idf", {1}, 1), floats("bias", {2}, 0)}, good).message, "was read");
}

}  // namespace
}  // namespace linnet
