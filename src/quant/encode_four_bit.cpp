// The formats whose sixteen values are not evenly spaced (ggml's quantize_iq4_nl, quantize_iq4_xs, quantize_mxfp4).
#include <algorithm>
#include <cmath>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"
#include "quant/levels.hpp"
#include "quant/pack_codes.hpp"

namespace linnet {

namespace {

constexpr int kGroup = 32;
constexpr int kTries = 7;  // scales on each side of the first guess

Fit fit_of(const float* x, const float* weights, float inverse) {
  float levels[kGroup];
  for (int i = 0; i < kGroup; ++i) levels[i] = Iq4Levels::nearest(inverse * x[i]);
  Fit fit;
  for (int i = 0; i < kGroup; ++i) {
    fit.products += weights[i] * levels[i] * x[i];
    fit.squares += weights[i] * levels[i] * levels[i];
  }
  return fit;
}

// The best of fifteen scales for a group; 0 for a group of zeros, and for one that counts nothing.
float best_scale(const float* x, const float* weights) {
  const Extreme extreme = extreme_of(x, kGroup);
  if (extreme.magnitude < kSmallestGroup) return 0;
  const Fit first = fit_of(x, weights, 1 / (-extreme.value / static_cast<float>(kIq4Values[0])));
  if (!(first.squares > 0)) return 0;
  float d = first.scale();
  float best = d * first.products;
  for (int step = -kTries; step <= kTries; ++step) {
    const Fit fit = fit_of(x, weights, (static_cast<float>(step) + static_cast<float>(kIq4Values[0])) / extreme.value);
    if (fit.squares > 0 && fit.products * fit.products > best * fit.squares) {
      d = fit.scale();
      best = d * fit.products;
    }
  }
  return d;
}

// ggml's weights of `count` numbers: their squares, or what importance makes of them.
void weigh(const float* x, const BlockImportance* importance, int count, float* weights) {
  float squares = 0;
  for (int i = 0; i < count; ++i) squares += x[i] * x[i];
  const float spread_square = squares * (2.f / static_cast<float>(count));
  for (int i = 0; i < count; ++i) {
    weights[i] = importance ? importance->columns[i] * std::sqrt(spread_square + x[i] * x[i]) : x[i] * x[i];
  }
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

void encode(const float* x, const BlockImportance* importance, BlockIQ4_NL& block) {
  float weights[kGroup];
  weigh(x, importance, kGroup, weights);
  const float scale = best_scale(x, weights);
  const float inverse = inverse_or_zero(scale);
  block.d = to_half(scale);
  pack_group(x, block.qs, [&](float v) { return Iq4Levels::code(inverse * v); });
}

void encode(const float* x, const BlockImportance* importance, BlockIQ4_XS& block) {
  constexpr int kGroups = kSuperBlock / kGroup;
  float weights[kSuperBlock];
  weigh(x, importance, kSuperBlock, weights);
  float scales[kGroups];
  for (int group = 0; group < kGroups; ++group) {
    scales[group] = best_scale(x + ptrdiff_t{kGroup} * group, weights + ptrdiff_t{kGroup} * group);
  }
  const float d = -extreme_of(scales, kGroups).value / 32;
  const float inverse = inverse_or_zero(d);
  block = {.d = to_half(d), .scales_h = 0, .scales_l = {}, .qs = {}};
  for (int group = 0; group < kGroups; ++group) {
    const int code = std::clamp(nearest_int(inverse * scales[group]), -32, 31);
    const float step = inverse_or_zero(d * static_cast<float>(code));
    pack_group(x + ptrdiff_t{kGroup} * group, block.qs + ptrdiff_t{16} * group,
               [&](float v) { return Iq4Levels::code(step * v); });
    pack_iq4_scale(group, code + 32, block);
  }
}

}  // namespace

void encode_block(const float* x, BlockIQ4_NL& block) {
  encode(x, nullptr, block);
}

void encode_block(const float* x, const BlockImportance& importance, BlockIQ4_NL& block) {
  encode(x, &importance, block);
}

void encode_block(const float* x, BlockIQ4_XS& block) {
  encode(x, nullptr, block);
}

void encode_block(const float* x, const BlockImportance& importance, BlockIQ4_XS& block) {
  encode(x, &importance, block);
}

void encode_block(const float* x, BlockMXFP4& block) {
  const float largest = extreme_of(x, kGroup).magnitude;
  // The largest E2M1 value, 6, has the exponent 2.
  const int exponent = largest > 0 ? truncated(std::floor(std::log2(largest)) - 2 + 127) : 0;
  encode_block_under(x, static_cast<uint8_t>(exponent), block);
}

void encode_block_under(const float* x, uint8_t exponent, BlockMXFP4& block) {
  block.e = exponent;
  const float scale = half_scale_e8m0(exponent);
  pack_group(x, block.qs, [&](float v) { return nearest_e2m1(v, scale); });
}

}  // namespace linnet
