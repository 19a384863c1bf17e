#include "engine/sampler.hpp"

#include <cmath>
#include <gtest/gtest.h>

namespace linnet {
namespace {

// Pearson's chi-square of many draws from fixed logits against `expected`; infinite when a token of probability 0 came.
double chi_square(SamplingParams params, const std::vector<float>& logits, const std::vector<double>& expected) {
  const int n = 20000;
  std::vector<int> counts(logits.size());
  params.seed = 7;
  Sampler sampler(params);
  for (int i = 0; i < n; ++i) ++counts[static_cast<size_t>(sampler.sample(logits))];
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (expected[i] == 0 && counts[i] > 0) return INFINITY;
    if (expected[i] > 0) sum += std::pow(counts[i] - n * expected[i], 2) / (n * expected[i]);
  }
  return sum;
}

// Five tokens: the chance of a higher value is under 1 in 10,000.
constexpr double kLimit = 25;

const std::vector<float> kLogits{std::log(0.4f), std::log(0.3f), std::log(0.15f), std::log(0.1f), std::log(0.05f)};

TEST(Sampler, DistributionsAreThoseOfTransformers) {
  EXPECT_LT(chi_square({.temperature = 1}, kLogits, {0.4, 0.3, 0.15, 0.1, 0.05}), kLimit);
  const double z = 0.16 + 0.09 + 0.0225 + 0.01 + 0.0025;
  EXPECT_LT(chi_square({.temperature = 0.5f}, kLogits, {0.16 / z, 0.09 / z, 0.0225 / z, 0.01 / z, 0.0025 / z}), kLimit);
  EXPECT_LT(chi_square({.temperature = 1, .top_k = 2}, kLogits, {4 / 7.0, 3 / 7.0, 0, 0, 0}), kLimit);
  EXPECT_LT(chi_square({.temperature = 1, .top_p = 0.75f}, kLogits, {0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85, 0, 0}),
            kLimit);
  EXPECT_LT(chi_square({.temperature = 1, .min_p = 0.3f}, kLogits, {0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85, 0, 0}),
            kLimit);
  // Entropy 1.3924 nats: the surprise of token 1 (1.204) is nearest, then 0 (0.916), then 2 (1.897).
  EXPECT_LT(chi_square({.temperature = 1, .typical_p = 0.5f}, kLogits, {4 / 7.0, 3 / 7.0, 0, 0, 0}), kLimit);
}

TEST(Sampler, AWrongDistributionIsNoticed) {
  EXPECT_GT(chi_square({.temperature = 0.85f}, kLogits, {0.4, 0.3, 0.15, 0.1, 0.05}), kLimit);
  EXPECT_GT(chi_square({.temperature = 1}, kLogits, {0.4, 0.3, 0.3, 0, 0}), kLimit);
}

TEST(Sampler, PenaltiesCountWhatTheyShould) {
  Sampler repetition({.repetition_penalty = 4});
  const std::vector<int32_t> prompt{0};
  repetition.add_prompt(prompt);
  const std::vector<float> logits{2, 1, 0};
  EXPECT_EQ(repetition.sample(logits), 1);  // 2 / 4 < 1
  EXPECT_EQ(repetition.sample(logits), 0);  // now 1 / 4 too

  Sampler presence({.presence_penalty = 1.5f});
  presence.add_prompt(prompt);
  EXPECT_EQ(presence.sample(logits), 0);  // the prompt does not count
  EXPECT_EQ(presence.sample(logits), 1);

  Sampler frequency({.frequency_penalty = 0.6f});
  EXPECT_EQ(frequency.sample(logits), 0);
  EXPECT_EQ(frequency.sample(logits), 0);
  EXPECT_EQ(frequency.sample(logits), 1);

  Sampler biased({.logit_bias = {{2, 5.0f}}});
  EXPECT_EQ(biased.sample(logits), 2);
}

TEST(Sampler, SameSeedSameTokens) {
  const auto run = [](uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<int32_t> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(sampler.sample(kLogits));
    return ids;
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
}

TEST(Sampler, LogProbabilitiesAreTheModels) {
  const auto top = top_tokens(kLogits, 2);
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(top[1].id, 1);
  EXPECT_NEAR(top[1].log_probability, std::log(0.3), 1e-6);
  EXPECT_NEAR(log_probability(kLogits, 4), std::log(0.05), 1e-6);
}

TEST(Sampler, RefusesSettingsWithoutMeaning) {
  EXPECT_FALSE(SamplingParams{.temperature = -1}.check().ok());
  EXPECT_FALSE(SamplingParams{.top_p = 0}.check().ok());
  EXPECT_FALSE((SamplingParams{.min_p = NAN}.check().ok()));
  EXPECT_TRUE(SamplingParams{}.check().ok());
}

}  // namespace
}  // namespace linnet
