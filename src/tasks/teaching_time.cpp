#include "tasks/teaching_time.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "data/split.hpp"

namespace linnet {

namespace {

// Epochs take the streams from 0 on, holding out another.
constexpr uint64_t kTakeStream = (uint64_t{1} << 63) + 1;

}  // namespace

TeachingAmount amount_for(const TeachingTime& time, size_t samples) {
  CHECK(samples > 0 && time.tokens_per_second > 0 && time.tokens_per_sample > 0 && time.most_epochs > 0);
  const double seen = std::max(time.seconds, 0.0) * time.tokens_per_second / time.tokens_per_sample;
  const double epochs = std::floor(seen / static_cast<double>(samples));
  if (epochs >= 1) return {samples, static_cast<int64_t>(std::min(epochs, static_cast<double>(time.most_epochs)))};
  return {std::max<size_t>(1, static_cast<size_t>(seen)), 1};
}

std::vector<Sample> take_samples(std::vector<Sample> samples, size_t count, uint64_t seed) {
  if (count >= samples.size()) return samples;
  std::vector<uint32_t> chosen = shuffled(samples.size(), seed, kTakeStream);
  chosen.resize(count);
  std::ranges::sort(chosen);
  std::vector<Sample> taken;
  taken.reserve(count);
  for (const uint32_t i : chosen) taken.push_back(std::move(samples[i]));
  return taken;
}

}  // namespace linnet
