// What the encoders share: how ggml rounds, as functions that are defined for every float, and what it sums.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace linnet {

// Below it a group counts as zeros (ggml's GROUP_MAX_EPS).
inline constexpr float kSmallestGroup = 1e-15f;

// To the nearest whole number, ties to even, for |x| below 2^22; of greater ones the low bits of x + 1.5 * 2^23, which
// ggml then clamps.
inline int nearest_int(float x) {
  const auto bits = std::bit_cast<uint32_t>(x + 12582912.f);
  return static_cast<int>(bits & 0x007FFFFF) - 0x00400000;
}

// Towards zero, as x86 does it: what does not fit is the least number.
inline int truncated(float x) {
  constexpr float kLimit = 2147483648.f;
  return x >= -kLimit && x < kLimit ? static_cast<int>(x) : std::numeric_limits<int>::min();
}

// The low byte of that, as a signed number.
inline int as_int8(float x) {
  return static_cast<int>((static_cast<unsigned>(truncated(x)) + 128U) & 255U) - 128;
}

inline float inverse_or_zero(float x) {
  return x != 0 ? 1.0f / x : 0.0f;
}

// A number of the largest magnitude, and that magnitude; of several the first.
struct Extreme {
  float value = 0;
  float magnitude = 0;
};

inline Extreme extreme_of(const float* x, int count) {
  Extreme extreme;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(x[i]) > extreme.magnitude) extreme = {x[i], std::fabs(x[i])};
  }
  return extreme;
}

// Weighted sums over a group and its codes q, for x ≈ scale q: the squared error is least at this scale.
struct Fit {
  float products = 0;  // Σ w x q
  float squares = 0;   // Σ w q²
  float scale() const { return products / squares; }
};

}  // namespace linnet
