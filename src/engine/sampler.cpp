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

// Drops what comes after `keep` of a list that is sorted best first, and never all of it.
template <class T>
void keep_first(std::vector<T>& list, size_t keep) {
  list.resize(std::clamp<size_t>(keep, 1, list.size()));
}

template <class T>
void normalise(std::vector<T>& list) {
  double sum = 0;
  for (const T& c : list) sum += c.probability;
  for (T& c : list) c.probability /= sum;
}

}  // namespace

std::vector<Sampler::Candidate> Sampler::candidates(std::span<const float> logits) const {
  std::vector<Candidate> list;
  list.reserve(logits.size());
  const float highest = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    const float scaled = (logits[i] - highest) / params_.temperature;
    list.push_back({static_cast<int32_t>(i), scaled, std::exp(double{scaled})});
  }
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  if (params_.top_k > 0 && static_cast<size_t>(params_.top_k) < list.size()) {
    std::nth_element(list.begin(), list.begin() + params_.top_k - 1, list.end(), better);
    list.resize(static_cast<size_t>(params_.top_k));
  }
  std::sort(list.begin(), list.end(), better);
  normalise(list);
  if (params_.top_p < 1) {
    double sum = 0;
    size_t keep = 0;
    while (keep < list.size() && sum < double{params_.top_p}) sum += list[keep++].probability;
    keep_first(list, keep);
    normalise(list);
  }
  if (params_.min_p > 0) {
    const double least = params_.min_p * list[0].probability;
    const auto end = std::find_if(list.begin(), list.end(), [&](const Candidate& c) { return c.probability < least; });
    keep_first(list, static_cast<size_t>(end - list.begin()));
    normalise(list);
  }
  if (params_.typical_p < 1) {
    double entropy = 0;
    for (const Candidate& c : list) entropy -= c.probability > 0 ? c.probability * std::log(c.probability) : 0;
    const auto surprise = [&](const Candidate& c) { return std::abs(-std::log(c.probability) - entropy); };
    std::stable_sort(list.begin(), list.end(),
                     [&](const Candidate& a, const Candidate& b) { return surprise(a) < surprise(b); });
    double sum = 0;
    size_t keep = 0;
    while (keep < list.size() && sum < double{params_.typical_p}) sum += list[keep++].probability;
    keep_first(list, keep);
    normalise(list);
  }
  return list;
}

int32_t Sampler::draw(const std::vector<Candidate>& list) {
  double left = random_.uniform();
  for (const Candidate& c : list) {
    left -= c.probability;
    if (left < 0) return c.id;
  }
  return list.back().id;  // rounding: the probabilities may sum to a little less than 1
}

TokenChance Sampler::sample(std::span<const float> logits) {
  CHECK(!logits.empty());
  std::vector<float> changed(logits.begin(), logits.end());
  penalise(changed);
  const int32_t id = params_.temperature == 0
                         ? static_cast<int32_t>(std::max_element(changed.begin(), changed.end()) - changed.begin())
                         : draw(candidates(changed));
  ++seen_[id];
  return {id, log_probability(logits, id)};
}

}  // namespace linnet
