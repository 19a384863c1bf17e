// The formats whose sixteen values are not evenly spaced (ggml's quantize_iq4_nl, quantize_iq4_xs, quantize_mxfp4).
#include <algorithm>
#include <cstring>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"

namespace linnet {

namespace {

constexpr int kGroup = 32;
constexpr int kTries = 7;  // scales on each side of the first guess

// The index of the IQ4 value nearest to x; of two as near, the upper.
int nearest_iq4(float x) {
  const auto value = [](int i) { return static_cast<float>(kIq4Values[i]); };
  if (x <= value(0)) return 0;
  if (x >= value(15)) return 15;
  int below = 0;
  int above = 15;
  while (above - below > 1) {
    const int middle = (below + above) / 2;
    (x < value(middle) ? above : below) = middle;
  }
  return x - value(above - 1) < value(above) - x ? above - 1 : above;
}

// Weighted by x².
Fit fit_of(const float* x, float inverse) {
  Fit fit;
  for (int i = 0; i < kGroup; ++i) {
    const auto q = static_cast<float>(kIq4Values[nearest_iq4(inverse * x[i])]);
    const float weight = x[i] * x[i];
    fit.products += weight * q * x[i];
    fit.squares += weight * q * q;
  }
  return fit;
}

// The best of fifteen scales for a group; 0 for a group of zeros.
float best_scale(const float* x) {
  const Extreme extreme = extreme_of(x, kGroup);
  if (extreme.magnitude < kSmallestGroup) return 0;
  const Fit first = fit_of(x, 1 / (-extreme.value / static_cast<float>(kIq4Values[0])));
  float d = first.scale();
  float best = d * first.products;
  for (int step = -kTries; step <= kTries; ++step) {
    const Fit fit = fit_of(x, (static_cast<float>(step) + static_cast<float>(kIq4Values[0])) / extreme.value);
    if (fit.squares > 0 && fit.products * fit.products > best * fit.squares) {
      d = fit.scale();
      best = d * fit.products;
    }
  }
  return d;
}

template <class Nearest>
void pack_group(const float* x, uint8_t* qs, Nearest nearest) {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<uint8_t>(nearest(x[i]) | nearest(x[i + 16]) << 4);
}

int nearest_e2m1(float x, float scale) {
  int nearest = 0;
  float least = std::fabs(static_cast<float>(kE2M1Doubled[0]) * scale - x);
  for (int i = 1; i < 16; ++i) {
    const float error = std::fabs(static_cast<float>(kE2M1Doubled[i]) * scale - x);
    if (error < least) {
      nearest = i;
      least = error;
    }
  }
  return nearest;
}

}  // namespace

void encode_block(const float* x, BlockIQ4_NL& block) {
  const float scale = best_scale(x);
  const float inverse = inverse_or_zero(scale);
  block.d = to_half(scale);
  pack_group(x, block.qs, [&](float v) { return nearest_iq4(inverse * v); });
}

void encode_block(const float* x, BlockIQ4_XS& block) {
  constexpr int kGroups = kSuperBlock / kGroup;
  float scales[kGroups];
  for (int group = 0; group < kGroups; ++group) scales[group] = best_scale(x + ptrdiff_t{kGroup} * group);
  const float d = -extreme_of(scales, kGroups).value / 32;
  const float inverse = inverse_or_zero(d);
  block = {.d = to_half(d), .scales_h = 0, .scales_l = {}, .qs = {}};
  for (int group = 0; group < kGroups; ++group) {
    const int code = std::clamp(nearest_int(inverse * scales[group]), -32, 31);
    const float step = inverse_or_zero(d * static_cast<float>(code));
    pack_group(x + ptrdiff_t{kGroup} * group, block.qs + ptrdiff_t{16} * group,
               [&](float v) { return nearest_iq4(step * v); });
    block.scales_l[group / 2] |= static_cast<uint8_t>(((code + 32) & 15) << (group % 2 * 4));
    block.scales_h |= static_cast<uint16_t>((code + 32) >> 4 << (ptrdiff_t{2} * group));
  }
}

void encode_block(const float* x, BlockMXFP4& block) {
  const float largest = extreme_of(x, kGroup).magnitude;
  // The largest E2M1 value, 6, has the exponent 2.
  block.e = largest > 0 ? static_cast<uint8_t>(truncated(std::floor(std::log2(largest)) - 2 + 127)) : uint8_t{0};
  const float scale = half_scale_e8m0(block.e);
  pack_group(x, block.qs, [&](float v) { return nearest_e2m1(v, scale); });
}

}  // namespace linnet
