// From logits to a token, with the meaning that transformers gives to each setting, in its order: repetition penalty,
// (OpenAI's) presence and frequency penalties, logit bias; then temperature, top-k, top-p, min-p, typical.
//
// Sources: transformers generation/logits_process.py; OpenAI's API reference for the two penalties; typical sampling,
// Meister et al. 2022, arXiv:2202.00666.
// Cost: one pass over the vocabulary for the highest logits; then only what may still be chosen is looked at. Settings
// that need every token's probability (top-p without top-k, typical, a temperature alone) take one more pass.
// Thread safety: a Sampler belongs to one sequence.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "engine/highest_floats.hpp"

namespace linnet {

struct SamplingParams {   // NOLINT(clang-analyzer-core.uninitialized.Assign): see Error
  float temperature = 0;  // 0: the likeliest token, always
  int32_t top_k = 0;      // 0: all
  float top_p = 1;
  float min_p = 0;
  float typical_p = 1;
  float repetition_penalty = 1;  // over prompt and generated tokens
  float presence_penalty = 0;    // over generated tokens
  float frequency_penalty = 0;
  std::map<int32_t, float> logit_bias = {};
  uint64_t seed = 0;

  // Error kUsage that names the setting and its range.
  Status check() const;
};

struct TokenChance {
  int32_t id = 0;
  float log_probability = 0;  // under the model itself, before any setting
};

// The `count` likeliest tokens, the best first; ties go to the lower id.
std::vector<TokenChance> top_tokens(std::span<const float> logits, int32_t count);
// log softmax(logits)[id].
float log_probability(std::span<const float> logits, int32_t id);

class Sampler {
 public:
  explicit Sampler(SamplingParams params) : params_(std::move(params)), random_(params_.seed) {}

  struct Candidate {
    int32_t id;
    float logit;         // after every setting up to the temperature, less the highest of all
    double probability;  // all together: 1
  };

  // Tokens that were there before generation: the repetition penalty counts them.
  void add_prompt(std::span<const int32_t> tokens);
  // The tokens that may come next, in no particular order, until the next call. logits: (V), finite, V above 0.
  const std::vector<Candidate>& distribution(std::span<const float> logits);
  // Draws from the distribution, remembers, returns.
  int32_t sample(std::span<const float> logits);

 private:
  bool changes_logits() const;
  void penalise(std::span<float> logits) const;
  void choose_candidates(std::span<const float> logits);
  void take_likeliest(std::span<const float> logits, double mass);
  float lowest_candidate(bool some);
  void list_all_from(std::span<const float> logits, float low);
  void fill_in_weights();

  SamplingParams params_;
  Random random_;
  std::map<int32_t, int32_t> seen_;  // token -> times generated; 0 for those of the prompt
  // Kept from token to token, because getting fresh memory costs more than the arithmetic.
  std::vector<float> changed_;
  HighestFloats highest_;
  std::vector<Candidate> list_;
};

}  // namespace linnet
