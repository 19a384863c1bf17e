#include "engine/sampler.hpp"

#include <algorithm>
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

using Candidate = Sampler::Candidate;

bool before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// The likeliest first, until they have `share` of what there is.
void cut(std::vector<Candidate>& list, double share) {
  double total = 0;
  for (const Candidate& c : list) total += c.probability;
  double sum = 0;
  size_t kept = 0;
  while (kept < list.size() && (kept == 0 || sum < share * total)) sum += list[kept++].probability;
  list.resize(kept);
}

// The definition of the settings: everything sorted, every probability computed.
std::vector<Candidate> by_definition(const SamplingParams& params, const std::vector<float>& logits) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  std::vector<Candidate> list;
  for (size_t i = 0; i < logits.size(); ++i) {
    const float logit = (logits[i] - highest) / params.temperature;
    list.push_back({static_cast<int32_t>(i), logit, std::exp(double{logit})});
  }
  std::sort(list.begin(), list.end(), before);
  if (params.top_k > 0) list.resize(std::min(list.size(), static_cast<size_t>(params.top_k)));
  if (params.top_p < 1) cut(list, double{params.top_p});
  std::erase_if(list, [&](const Candidate& c) { return c.probability < double{params.min_p}; });
  double total = 0;
  for (const Candidate& c : list) total += c.probability;
  for (Candidate& c : list) c.probability /= total;
  return list;
}

std::vector<float> random_logits(size_t size, float spread, bool coarse, Random& random) {
  std::vector<float> logits(size);
  for (float& x : logits) x = coarse ? std::round(random.normal() * spread) : random.normal() * spread;
  return logits;
}

TEST(Sampler, LooksAtFewTokensAndFindsTheRightOnes) {
  Random random(5);
  const SamplingParams settings[] = {
      {.temperature = 1},
      {.temperature = 0.7f, .top_k = 40},
      {.temperature = 0.7f, .top_k = 5000},
      {.temperature = 1, .top_p = 0.9f},
      {.temperature = 3, .top_p = 0.97f},
      {.temperature = 1, .min_p = 0.05f},
      {.temperature = 1.3f, .top_k = 100, .top_p = 0.8f, .min_p = 0.02f},
      {.temperature = 0.9f, .top_p = 0.8f, .min_p = 0.02f},
  };
  for (const size_t size : {1, 2, 63, 64, 65, 1000, 30000}) {
    for (const float spread : {0.0f, 0.5f, 4.0f}) {
      for (const SamplingParams& params : settings) {
        const std::vector<float> logits = random_logits(size, spread, random.below(2) == 0, random);
        const auto wanted = by_definition(params, logits);
        Sampler sampler(params);
        auto got = sampler.distribution(logits);
        std::sort(got.begin(), got.end(), before);
        ASSERT_EQ(got.size(), wanted.size()) << size << ' ' << spread << ' ' << params.top_k << ' ' << params.top_p;
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(got[i].id, wanted[i].id);
          ASSERT_NEAR(got[i].probability, wanted[i].probability, 1e-6 * wanted[i].probability + 1e-30);
        }
      }
    }
  }
}

TEST(Sampler, TheFirstOfTheLikeliestIsTaken) {
  for (const size_t size : {1, 64, 200}) {
    for (size_t first = 0; first < size; ++first) {
      std::vector<float> logits(size, -2);
      logits[first] = logits[size - 1] = 5;
      EXPECT_EQ(Sampler({}).sample(logits), static_cast<int32_t>(first));
      const auto top = top_tokens(logits, 3);
      ASSERT_EQ(top.size(), std::min<size_t>(3, size));
      EXPECT_EQ(top[0].id, static_cast<int32_t>(first));
    }
  }
}

TEST(Sampler, FarOutLogitsDoNoHarm) {
  Sampler sampler({.temperature = 1e-20f, .top_p = 0.9f});
  EXPECT_EQ(sampler.sample(std::vector<float>{-1e30f, 1e30f, 0, -3e38f}), 1);
  Sampler warm({.temperature = 1});
  double sum = 0;
  for (const Candidate& c : warm.distribution(std::vector<float>{-1e30f, 3e38f, 0, -3e38f})) sum += c.probability;
  EXPECT_NEAR(sum, 1, 1e-9);
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
