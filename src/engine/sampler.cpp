#include "engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
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
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto keep = std::min<size_t>(static_cast<size_t>(std::max(count, 0)), ids.size());
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

void normalise(std::vector<Candidate>& list) {
  double sum = 0;
  for (const Candidate& c : list) sum += c.probability;
  for (Candidate& c : list) c.probability /= sum;
}

// Keeps the first of the list, in the order that `before` gives, until their probabilities sum to `mass`. A heap,
// because the vocabulary is large and what is kept is few: only those are ever put in order.
template <class Before>
void keep_until(std::vector<Candidate>& list, double mass, const Before& before) {
  const auto after = [&](const Candidate& a, const Candidate& b) { return before(b, a); };
  std::make_heap(list.begin(), list.end(), after);
  auto kept = list.end();
  double sum = 0;
  do {
    std::pop_heap(list.begin(), kept, after);
    sum += (--kept)->probability;
  } while (kept != list.begin() && sum < mass);
  list.erase(list.begin(), kept);
  normalise(list);
}

void keep_typical(std::vector<Candidate>& list, double mass) {
  double entropy = 0;
  for (const Candidate& c : list) entropy -= c.probability > 0 ? c.probability * std::log(c.probability) : 0;
  const auto surprise = [&](const Candidate& c) { return std::abs(-std::log(c.probability) - entropy); };
  keep_until(list, mass, [&](const Candidate& a, const Candidate& b) {
    const double x = surprise(a);
    const double y = surprise(b);
    return x < y || (x == y && likelier(a, b));
  });
}

}  // namespace

std::vector<Candidate> Sampler::distribution(std::span<const float> logits) const {
  CHECK(!logits.empty());
  std::vector<float> changed(logits.begin(), logits.end());
  penalise(changed);
  const auto best = std::max_element(changed.begin(), changed.end());
  const float highest = *best;
  if (params_.temperature == 0) return {{static_cast<int32_t>(best - changed.begin()), 0, 1}};
  std::vector<Candidate> list(changed.size());
  for (size_t i = 0; i < list.size(); ++i) {
    list[i] = {static_cast<int32_t>(i), (changed[i] - highest) / params_.temperature, 0};
  }
  if (params_.top_k > 0 && static_cast<size_t>(params_.top_k) < list.size()) {
    std::nth_element(list.begin(), list.begin() + params_.top_k - 1, list.end(), likelier);
    list.resize(static_cast<size_t>(params_.top_k));
  }
  for (Candidate& c : list) c.probability = double{std::exp(c.logit)};
  normalise(list);
  if (params_.top_p < 1) keep_until(list, double{params_.top_p}, likelier);
  if (params_.min_p > 0) {
    const double most = std::min_element(list.begin(), list.end(), likelier)->probability;
    std::erase_if(list, [&](const Candidate& c) { return c.probability < params_.min_p * most; });
    normalise(list);
  }
  if (params_.typical_p < 1) keep_typical(list, double{params_.typical_p});
  return list;
}

int32_t Sampler::sample(std::span<const float> logits) {
  const std::vector<Candidate> list = distribution(logits);
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
