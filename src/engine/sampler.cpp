#include "engine/sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/core.h>
#include <limits>
#include <numeric>

#include "base/check.hpp"

namespace linnet {

Status SamplingParams::check() const {
  const auto outside = [](const char* name, float value, const char* range) {
    return usage_error(fmt::format("{} must be {}, got {}", name, range, value));
  };
  if (!(temperature >= 0 && temperature <= 100)) return outside("temperature", temperature, "from 0 to 100");
  if (top_k < 0) return usage_error(fmt::format("top-k must be 0 or more, got {}", top_k));
  if (!(top_p > 0 && top_p <= 1)) return outside("top-p", top_p, "above 0 and at most 1");
  if (!(min_p >= 0 && min_p <= 1)) return outside("min-p", min_p, "from 0 to 1");
  if (!(typical_p > 0 && typical_p <= 1)) return outside("typical-p", typical_p, "above 0 and at most 1");
  if (!(repetition_penalty > 0 && repetition_penalty <= 100))
    return outside("repetition-penalty", repetition_penalty, "above 0 and at most 100");
  if (!(std::abs(presence_penalty) <= 2)) return outside("presence-penalty", presence_penalty, "from -2 to 2");
  if (!(std::abs(frequency_penalty) <= 2)) return outside("frequency-penalty", frequency_penalty, "from -2 to 2");
  for (const auto& [id, bias] : logit_bias) {
    if (!(std::abs(bias) <= 100)) return outside("logit-bias", bias, "from -100 to 100");
  }
  return ok_status();
}

namespace {

double log_sum_exp(std::span<const float> logits) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x} - highest);
  return std::log(sum) + highest;
}

}  // namespace

float log_probability(std::span<const float> logits, int32_t id) {
  return static_cast<float>(logits[static_cast<size_t>(id)] - log_sum_exp(logits));
}

std::vector<TokenChance> top_tokens(std::span<const float> logits, int32_t count) {
  const auto keep = std::min<size_t>(static_cast<size_t>(std::max(count, 0)), logits.size());
  if (keep == 0) return {};
  HighestFloats highest;
  highest.scan(logits);
  std::vector<int32_t> ids;
  highest.for_each_from(logits, highest.reached_by(keep), [&](int32_t id) { ids.push_back(id); });
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(keep), ids.end(), [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  });
  const double total = log_sum_exp(logits);
  std::vector<TokenChance> top;
  for (size_t i = 0; i < keep; ++i) {
    top.push_back({ids[i], static_cast<float>(logits[static_cast<size_t>(ids[i])] - total)});
  }
  return top;
}

void Sampler::add_prompt(std::span<const int32_t> tokens) {
  for (const int32_t id : tokens) seen_.try_emplace(id, 0);
}

void Sampler::penalise(std::span<float> logits) const {
  for (const auto& [id, generated] : seen_) {
    float& x = logits[static_cast<size_t>(id)];
    if (params_.repetition_penalty != 1) x = x < 0 ? x * params_.repetition_penalty : x / params_.repetition_penalty;
    if (generated > 0) x -= params_.presence_penalty + params_.frequency_penalty * static_cast<float>(generated);
  }
  for (const auto& [id, bias] : params_.logit_bias) {
    if (id >= 0 && static_cast<size_t>(id) < logits.size()) logits[static_cast<size_t>(id)] += bias;
  }
}

namespace {

using Candidate = Sampler::Candidate;

bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// e^x for x <= 0, to about 2e-7 of it; e^-87 (1.6e-38) below -87, which no sum notices. Without a branch or a call, so
// that loops over it become vectors.
// x = n ln 2 + r, |r| <= ln 2 / 2 (Cody & Waite), and the polynomial of Cephes' expf for e^r.
float exp_of_negative(float x) {
  constexpr float kLowest = -87;
  constexpr float kRounder = 12582912;  // 1.5 * 2^23: adding it rounds to a whole number, which its last bits hold
  // Of numbers below zero the lower has the larger bits; a comparison of floats would be a branch to the compiler.
  const float clamped = std::bit_cast<float>(std::min(std::bit_cast<uint32_t>(x), std::bit_cast<uint32_t>(kLowest)));
  const float shifted = clamped * 1.44269504088896341f + kRounder;
  const float n = shifted - kRounder;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRounder);
  const float power = std::bit_cast<float>((exponent + 127) << 23);
  return p * power;
}

// The sum of e^((x - highest) / temperature) over all.
double sum_of_weights(std::span<const float> logits, float highest, float temperature) {
  // A float sums few enough terms, in pairs, that none of their digits are lost.
  constexpr size_t kTerms = 256;
  float weights[kTerms];
  double sum = 0;
  for (; logits.size() >= kTerms; logits = logits.subspan(kTerms)) {
    for (size_t i = 0; i < kTerms; ++i) weights[i] = exp_of_negative((logits[i] - highest) / temperature);
    for (size_t half = kTerms / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) weights[i] += weights[i + half];
    }
    sum += double{weights[0]};
  }
  for (const float x : logits) sum += double{exp_of_negative((x - highest) / temperature)};
  return sum;
}

// Until normalise(), probabilities are weights: multiples of what they will be.
double sum_of(std::span<const Candidate> list) {
  double sum = 0;
  for (const Candidate& c : list) sum += c.probability;
  return sum;
}

void normalise(std::vector<Candidate>& list) {
  const double sum = sum_of(list);
  for (Candidate& c : list) c.probability /= sum;
}

// Keeps the first of the list, in the order that `before` gives, until their weights sum to `mass`; all of them where
// they never do. Halves what is undecided, so the time grows with the list and never with its order.
template <class Before>
void keep_until(std::vector<Candidate>& list, double mass, const Before& before) {
  auto low = list.begin();  // what is before it is kept, and weighs less than `mass`
  auto high = list.end();   // nothing from here on is kept
  double weight = 0;
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    std::nth_element(low, middle, high, before);
    const double step = sum_of({low, middle});
    if (weight + step >= mass) {
      high = middle;
    } else {
      weight += step;
      low = middle;
    }
  }
  list.erase(high, list.end());
}

// Typical tokens surprise as much as the distribution does on average. -log p less the entropy is the expected logit
// less the token's own.
void keep_typical(std::vector<Candidate>& list, double share) {
  const double total = sum_of(list);
  double expected = 0;
  for (const Candidate& c : list) expected += c.probability / total * double{c.logit};
  keep_until(list, share * total, [&](const Candidate& a, const Candidate& b) {
    const double x = std::abs(expected - double{a.logit});
    const double y = std::abs(expected - double{b.logit});
    return x < y || (x == y && likelier(a, b));
  });
}

}  // namespace

bool Sampler::changes_logits() const {
  const bool penalties =
      params_.repetition_penalty != 1 || params_.presence_penalty != 0 || params_.frequency_penalty != 0;
  return (penalties && !seen_.empty()) || !params_.logit_bias.empty();
}

void Sampler::list_all_from(std::span<const float> logits, float low) {
  list_.clear();
  highest_.for_each_from(logits, low, [&](int32_t id) { list_.push_back({id, logits[static_cast<size_t>(id)], 0}); });
}

void Sampler::fill_in_weights() {
  for (Candidate& c : list_) {
    c.logit = (c.logit - highest_.value()) / params_.temperature;
    c.probability = double{exp_of_negative(c.logit)};
  }
}

// The likeliest of all tokens that together have `mass` of the weight.
void Sampler::take_likeliest(std::span<const float> logits, double mass) {
  constexpr size_t kUsually = 64;
  for (size_t count = kUsually;; count *= 16) {
    list_all_from(logits, highest_.reached_by(count));
    fill_in_weights();
    if (list_.size() == logits.size() || sum_of(list_) >= mass) break;
  }
  keep_until(list_, mass, likelier);
}

// A number that is under the logit of every token that top-k and min-p leave.
float Sampler::lowest_candidate(bool some) {
  if (some) return highest_.reached_by(static_cast<size_t>(params_.top_k));
  if (params_.min_p == 0) return -std::numeric_limits<float>::infinity();
  // Lower than the edge by more than rounding takes: the exact comparison comes later.
  const float margin = 1e-3f * (1 + params_.temperature) + 1e-6f * std::abs(highest_.value());
  return highest_.value() + params_.temperature * std::log(params_.min_p) - margin;
}

// Fills list_ with the tokens that top-k, top-p and min-p leave, and their weights.
void Sampler::choose_candidates(std::span<const float> logits) {
  const bool some = params_.top_k > 0 && static_cast<size_t>(params_.top_k) < logits.size();
  if (params_.top_p < 1 && !some) {
    const double total = sum_of_weights(logits, highest_.value(), params_.temperature);
    take_likeliest(logits, double{params_.top_p} * total);
  } else {
    list_all_from(logits, lowest_candidate(some));
    if (some) {
      std::nth_element(list_.begin(), list_.begin() + params_.top_k - 1, list_.end(), likelier);
      list_.resize(static_cast<size_t>(params_.top_k));
    }
    fill_in_weights();
    if (params_.top_p < 1) keep_until(list_, double{params_.top_p} * sum_of(list_), likelier);
  }
  // The likeliest weighs 1.
  if (params_.min_p > 0) {
    std::erase_if(list_, [&](const Candidate& c) { return c.probability < double{params_.min_p}; });
  }
}

const std::vector<Candidate>& Sampler::distribution(std::span<const float> logits) {
  if (changes_logits()) {
    changed_.assign(logits.begin(), logits.end());
    penalise(changed_);
    logits = changed_;
  }
  highest_.scan(logits);
  if (params_.temperature == 0) {
    list_.assign(1, {highest_.place(logits), 0, 1});
    return list_;
  }
  choose_candidates(logits);
  if (params_.typical_p < 1) keep_typical(list_, double{params_.typical_p});
  normalise(list_);
  return list_;
}

int32_t Sampler::sample(std::span<const float> logits) {
  const std::vector<Candidate>& list = distribution(logits);
  // Rounding: the probabilities may sum to a little less than 1, and then it is the last.
  int32_t id = list.back().id;
  double left = random_.uniform();
  for (const Candidate& c : list) {
    left -= c.probability;
    if (left >= 0) continue;
    id = c.id;
    break;
  }
  ++seen_[id];
  return id;
}

}  // namespace linnet
