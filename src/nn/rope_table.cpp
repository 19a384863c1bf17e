#include "nn/rope_table.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.hpp"

namespace linnet {

int rope_regime(const RopeSpec& spec, int64_t length) {
  return spec.kind == RopeKind::kLongRope && length > spec.original_context ? 1 : 0;
}

namespace {

double stretch_llama3(const RopeSpec& spec, double frequency) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const auto context = static_cast<double>(spec.original_context);
  if (wavelength < context / spec.high_freq_factor) return frequency;
  if (wavelength > context / spec.low_freq_factor) return frequency / spec.factor;
  const double smooth = (context / wavelength - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  return (1 - smooth) * frequency / spec.factor + smooth * frequency;
}

// The dimension that turns `rotations` times within the original context (arXiv:2309.00071, section 3.2).
double yarn_dimension(const RopeSpec& spec, double rotations) {
  return static_cast<double>(spec.rotary_dim) *
         std::log(static_cast<double>(spec.original_context) / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(spec.theta));
}

double stretch_yarn(const RopeSpec& spec, double frequency, int64_t i) {
  double low = yarn_dimension(spec, spec.beta_fast);
  double high = yarn_dimension(spec, spec.beta_slow);
  if (spec.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(spec.rotary_dim) - 1);
  if (low == high) high += 0.001;
  const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
  return frequency / spec.factor * ramp + frequency * (1 - ramp);
}

}  // namespace

std::vector<float> inverse_frequencies(const RopeSpec& spec, int regime) {
  const int64_t half = spec.rotary_dim / 2;
  std::vector<float> frequencies;
  frequencies.reserve(static_cast<size_t>(half));
  for (int64_t i = 0; i < half; ++i) {
    const auto at = static_cast<size_t>(i);
    double frequency = 1.0 / std::pow(spec.theta, 2.0 * static_cast<double>(i) / static_cast<double>(spec.rotary_dim));
    switch (spec.kind) {
      case RopeKind::kDefault:
        break;
      case RopeKind::kLinear:
        frequency /= spec.factor;
        break;
      case RopeKind::kLlama3:
        frequency = stretch_llama3(spec, frequency);
        break;
      case RopeKind::kYarn:
        frequency = stretch_yarn(spec, frequency, i);
        break;
      case RopeKind::kLongRope:
        frequency /= (regime == 1 ? spec.long_factor : spec.short_factor)[at];
        break;
    }
    if (!spec.divisors.empty()) frequency /= spec.divisors[at];
    frequencies.push_back(static_cast<float>(frequency));
  }
  return frequencies;
}

RopeTables rope_tables(Context& ctx, const RopeSpec& spec, std::span<const int32_t> positions,
                       std::span<const int> regimes) {
  CHECK(positions.size() == regimes.size());
  const int64_t half = spec.rotary_dim / 2;
  const auto rows = static_cast<int64_t>(positions.size());
  RopeTables tables{ctx.empty({rows, half}), ctx.empty({rows, half})};
  if (ctx.meta()) return tables;
  const std::vector<float> by_regime[2] = {inverse_frequencies(spec, 0),
                                           inverse_frequencies(spec, spec.kind == RopeKind::kLongRope)};
  const auto scale = static_cast<float>(spec.attention_factor);
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<float>& frequencies = by_regime[regimes[static_cast<size_t>(r)]];
    const auto position = static_cast<float>(positions[static_cast<size_t>(r)]);
    for (int64_t i = 0; i < half; ++i) {
      const float angle = position * frequencies[static_cast<size_t>(i)];
      tables.cos.data<float>()[r * half + i] = std::cos(angle) * scale;
      tables.sin.data<float>()[r * half + i] = std::sin(angle) * scale;
    }
  }
  return tables;
}

}  // namespace linnet
