// How long a token takes to be chosen, for vocabularies of small models: milliseconds a token, the best of some rounds.
#include <algorithm>
#include <chrono>
#include <fmt/core.h>
#include <numeric>

#include "engine/sampler.hpp"

namespace linnet {
namespace {

constexpr int kRounds = 20;

// Logits as a language model has them: a few that stand out from the many.
std::vector<float> logits_of(size_t size) {
  Random random(1);
  std::vector<float> logits(size);
  for (float& x : logits) x = 3 * random.normal();
  for (int i = 0; i < 30; ++i) logits[random.below(size)] = 10 + 3 * random.normal();
  return logits;
}

double milliseconds(const SamplingParams& params, const std::vector<float>& logits) {
  Sampler sampler(params);
  std::vector<int32_t> prompt(500);
  std::iota(prompt.begin(), prompt.end(), 0);
  sampler.add_prompt(prompt);
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    sampler.sample(logits);
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

void run() {
  const std::pair<const char*, SamplingParams> settings[] = {
      {"greedy", {}},
      {"greedy, repetition penalty", {.repetition_penalty = 1.1f}},
      {"temperature", {.temperature = 1}},
      {"top-k 40", {.temperature = 0.8f, .top_k = 40}},
      {"top-p 0.95", {.temperature = 0.8f, .top_p = 0.95f}},
      {"min-p 0.05", {.temperature = 0.8f, .min_p = 0.05f}},
      {"top-k 40, top-p 0.95, min-p 0.05", {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f}},
      {"top-p 0.95, temperature 3", {.temperature = 3, .top_p = 0.95f}},
      {"typical-p 0.9", {.temperature = 0.8f, .typical_p = 0.9f}},
  };
  const std::vector<float> small = logits_of(49152);
  const std::vector<float> large = logits_of(262144);
  fmt::print("{:<36} {:>10} {:>10}\n", "milliseconds", small.size(), large.size());
  for (const auto& [name, params] : settings) {
    fmt::print("{:<36} {:>10.3f} {:>10.3f}\n", name, milliseconds(params, small), milliseconds(params, large));
  }
}

}  // namespace
}  // namespace linnet

int main() {
  linnet::run();
}
