// Pairs of texts: what a step takes, what its loss is, and that an encoder and a model that writes learn to find
// partners.
#include "tasks/embedding_tune.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "models/reference_testing.hpp"
#include "tasks/pair_lessons.hpp"

namespace linnet {
namespace {

TokenPairs numbered_pairs(std::vector<uint32_t> first, std::vector<uint32_t> second) {
  TokenPairs pairs;
  pairs.first.resize(first.size());
  pairs.second.resize(second.size());
  pairs.first_text = std::move(first);
  pairs.second_text = std::move(second);
  return pairs;
}

TEST(PairLessons, AnEpochShowsEachPairOnceAndTheNextInAnotherOrder) {
  const TokenPairs pairs = numbered_pairs({0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5});
  std::vector<std::vector<uint32_t>> epochs(2);
  for (int64_t step = 0; step < 6; ++step) {
    const std::vector<uint32_t> chosen = pairs_of_step(pairs, 2, step, 9);
    EXPECT_EQ(chosen, pairs_of_step(pairs, 2, step, 9));
    epochs[static_cast<size_t>(step / 3)].insert(epochs[static_cast<size_t>(step / 3)].end(), chosen.begin(),
                                                 chosen.end());
  }
  for (const std::vector<uint32_t>& epoch : epochs) {
    EXPECT_EQ(std::set<uint32_t>(epoch.begin(), epoch.end()), std::set<uint32_t>({0, 1, 2, 3, 4, 5}));
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(PairLessons, NoStepHasATextTwice) {
  const TokenPairs pairs = numbered_pairs({0, 0, 1, 2, 3, 3, 4}, {0, 1, 1, 2, 2, 3, 4});
  for (int64_t step = 0; step < 20; ++step) {
    std::set<uint32_t> firsts, seconds;
    const std::vector<uint32_t> chosen = pairs_of_step(pairs, 7, step, 3);
    EXPECT_GE(chosen.size(), 3U);
    for (const uint32_t pair : chosen) {
      EXPECT_TRUE(firsts.insert(pairs.first_text[pair]).second);
      EXPECT_TRUE(seconds.insert(pairs.second_text[pair]).second);
    }
  }
}

Sample pair(const std::string& question, const std::string& answer) {
  return {.place = question,
          .messages = Json::array(
              {Json{{"role", "user"}, {"content", question}}, Json{{"role", "assistant"}, {"content", answer}}})};
}

Dataset pairs_of(const std::vector<Sample>& samples) {
  return {.form = DataForm::kQuestionAnswer,
          .train = samples,
          .held_out = samples,
          .test_form = DataForm::kTestList,
          .test = {},
          .said = {}};
}

const std::vector<Sample> kPairs{pair("where are you", "at the station"), pair("when do you open", "at nine"),
                                 pair("how much is milk", "one euro"), pair("who are you", "I am Linnet"),
                                 pair("can i park the car", "behind the shop")};

double naive_info_nce(const Tensor& queries, const Tensor& candidates) {
  double sum = 0;
  const int64_t count = queries.dim(0), width = queries.dim(1);
  for (int64_t i = 0; i < count; ++i) {
    std::vector<double> cosines;
    for (int64_t k = 0; k < count; ++k) {
      double dot = 0;
      for (int64_t c = 0; c < width; ++c) {
        dot += static_cast<double>(queries.data<float>()[i * width + c]) *
               static_cast<double>(candidates.data<float>()[k * width + c]);
      }
      cosines.push_back(std::exp(dot / 0.05));
    }
    double all = 0;
    for (const double one : cosines) all += one;
    sum -= std::log(cosines[static_cast<size_t>(i)] / all);
  }
  return sum / static_cast<double>(count);
}

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): made by gtest's own factory
class EmbeddingTuneTest : public testing::TestWithParam<std::string> {
 protected:
  EmbeddingTuneTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~EmbeddingTuneTest() override { std::filesystem::remove_all(folder_); }

  EmbeddingSettings settings() const {
    EmbeddingSettings settings;
    settings.base = (golden_dir() / GetParam()).string();
    settings.adapter = {.rank = 4, .alpha = 8};
    settings.rate = 5e-3;
    settings.epochs = 30;
    settings.pairs = 5;
    settings.threads = 2;
    return settings;
  }
  EmbeddingTuner::Taught teach(const std::string& name, const CancelToken* cancel = nullptr, bool resume = false) {
    const RunVersion version{name, 1, folder_ / name, Json::object()};
    std::filesystem::create_directories(version.folder);
    const auto tuner = value(EmbeddingTuner::prepare(settings(), pairs_of(kPairs)));
    TeachingHooks hooks;
    hooks.cancel = cancel;
    return value(tuner->run(version, resume, hooks));
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("linnet_embedding_test_" + std::to_string(getpid()));
};

TEST_P(EmbeddingTuneTest, TheLossIsInfoNceBothWays) {
  const auto runtime = value(Runtime::create(2));
  const Embedder embedder = value(Embedder::load(value(find_base(settings().base)), *runtime));
  const TextPairs texts = value(text_pairs(kPairs));
  const TokenPairs pairs = value(token_pairs(embedder, texts.first, texts.second));
  const std::vector<uint32_t> all{0, 1, 2, 3, 4};
  const Tensor first = value(embedder.embed(pairs.first)), second = value(embedder.embed(pairs.second));
  const double want = (naive_info_nce(first, second) + naive_info_nce(second, first)) / 2;
  EXPECT_NEAR(value(pair_loss(runtime->context(), embedder, pairs, all)).data<float>()[0], want, 1e-3 * want);
}

TEST_P(EmbeddingTuneTest, PartnersAreFoundAfterwards) {
  const EmbeddingTuner::Taught taught = teach("learns");
  EXPECT_EQ(taught.after.texts, 5);
  EXPECT_EQ(taught.after.first, 1.0);
  EXPECT_EQ(taught.after.reciprocal, 1.0);
  EXPECT_LT(taught.before.first, 1.0);
}

INSTANTIATE_TEST_SUITE_P(Models, EmbeddingTuneTest, testing::Values("word_encoder", "tiny_chat"),
                         [](const auto& which) { return which.param; });

TEST(EmbeddingTune, EqualPartnersAreOne) {
  const auto runtime = value(Runtime::create(2));
  const Embedder embedder = value(Embedder::load(value(find_base((golden_dir() / "word_encoder").string())), *runtime));
  const TextPairs same{{"where are you", "when do you open"}, {"where are you", "where are you"}};
  const Retrieval found = value(measure_retrieval(same, embedder, nullptr));
  EXPECT_EQ(found.first, 1.0);  // there is only one partner to find
}

TEST(EmbeddingTune, WhatCannotBeLearnedIsRefused) {
  EmbeddingSettings settings;
  settings.base = (golden_dir() / "word_encoder").string();
  Dataset text = pairs_of(kPairs);
  text.form = DataForm::kText;
  EXPECT_EQ(EmbeddingTuner::prepare(settings, text).error().code, ErrorCode::kUsage);
  EXPECT_FALSE(EmbeddingTuner::prepare(settings, pairs_of({kPairs[0]})).ok());
  const auto empty = EmbeddingTuner::prepare(settings, pairs_of({kPairs[0], pair("who", " ")}));
  ASSERT_FALSE(empty.ok());
  EXPECT_NE(empty.error().message.find("empty"), std::string::npos);
}

}  // namespace
}  // namespace linnet
