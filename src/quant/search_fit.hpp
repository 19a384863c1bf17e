// What the searching encoders share: the error of a group under a scale, and the best scale of a group.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"
#include "quant/levels.hpp"

namespace linnet {

// ---- sums over a group

constexpr int kLanes = 8;

inline float sum_of(const std::array<float, kLanes>& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// x ≈ scale q, every q the nearest level.
struct ScaleSums {
  float products = 0;  // Σ w x q
  float squares = 0;   // Σ w q²
  float error = 0;     // Σ w (scale q - x)²

  float best_scale() const { return squares > 0 ? products / squares : 0; }
};

template <class Levels, int N>
ScaleSums sums_under(const float* x, const float* weights, float scale) {
  static_assert(N % kLanes == 0);
  std::array<float, kLanes> products{};
  std::array<float, kLanes> squares{};
  std::array<float, kLanes> errors{};
  const float inverse = inverse_or_zero(scale);
  for (int i = 0; i < N; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = x[static_cast<size_t>(i) + lane];
      const float weight = weights[static_cast<size_t>(i) + lane];
      const float q = Levels::nearest(value * inverse);
      const float difference = scale * q - value;
      products[lane] += weight * value * q;
      squares[lane] += weight * q * q;
      errors[lane] += weight * difference * difference;
    }
  }
  return {sum_of(products), sum_of(squares), sum_of(errors)};
}

// x ≈ scale q + min, q the nearest whole number from 0 to kMost.
struct RangeSums {
  float q = 0;      // Σ w q
  float qq = 0;     // Σ w q²
  float qx = 0;     // Σ w q x
  float error = 0;  // Σ w (scale q + min - x)²
};

template <int kMost, int N>
RangeSums range_sums_under(const float* x, const float* weights, float scale, float min) {
  std::array<float, kLanes> q_sum{};
  std::array<float, kLanes> qq{};
  std::array<float, kLanes> qx{};
  std::array<float, kLanes> errors{};
  const float inverse = inverse_or_zero(scale);
  for (int i = 0; i < N; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = x[static_cast<size_t>(i) + lane];
      const float weight = weights[static_cast<size_t>(i) + lane];
      const float q = WholeLevels<0, kMost>::nearest((value - min) * inverse);
      const float difference = scale * q + min - value;
      q_sum[lane] += weight * q;
      qq[lane] += weight * q * q;
      qx[lane] += weight * q * value;
      errors[lane] += weight * difference * difference;
    }
  }
  return {sum_of(q_sum), sum_of(qq), sum_of(qx), sum_of(errors)};
}

// ---- the best of a group

// How a scale will be held: as it is, or in half precision.
inline float as_it_is(float scale) {
  return scale;
}
inline float as_half(float scale) {
  return to_float(to_half(scale));
}

// Tries `scale` and then, while that helps, what least squares make of its codes.
template <class Levels, int N, class Hold>
void refine_scale(const float* x, const float* weights, float scale, Hold hold, float& best, float& least) {
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    scale = hold(scale);
    if (!std::isfinite(scale)) return;
    const ScaleSums sums = sums_under<Levels, N>(x, weights, scale);
    if (sums.error < least) {
      least = sums.error;
      best = scale;
    } else if (round > 0) {
      return;
    }
    scale = sums.best_scale();
  }
}

// The scale of least error: the largest number near the lowest level and, with the other sign, near the highest, from
// one step inside to two and a half outside, where it is cut.
template <class Levels, int N, class Hold>
float best_scale_of(const float* x, const float* weights, Hold hold) {
  const Extreme extreme = extreme_of(x, N);
  if (extreme.magnitude < kSmallestGroup) return 0;
  constexpr float kInside = 1;
  constexpr float kStride = 0.25f;
  constexpr int kTries = 15;
  float best = 0;
  float least = sums_under<Levels, N>(x, weights, 0).error;
  for (const float level : {Levels::kLow, Levels::kHigh}) {
    const float outwards = level < 0 ? -Levels::kStep : Levels::kStep;
    for (int i = 0; i < kTries; ++i) {
      const float at = level + outwards * (kStride * static_cast<float>(i) - kInside);
      refine_scale<Levels, N>(x, weights, extreme.value / at, hold, best, least);
    }
  }
  return best;
}

struct ScaleAndMin {
  float scale = 0;
  float min = 0;
};

// Σ w and Σ w x of a group.
struct WeightSums {
  float w = 0;
  float wx = 0;
};

template <int N>
WeightSums weight_sums(const float* x, const float* weights) {
  WeightSums sums;
  for (int i = 0; i < N; ++i) {
    sums.w += weights[i];
    sums.wx += weights[i] * x[i];
  }
  return sums;
}

// Least squares for the codes of `sums`. below_zero: the minimum must not be above 0.
inline ScaleAndMin fit_range(const RangeSums& sums, const WeightSums& of, bool below_zero, ScaleAndMin otherwise) {
  const float determinant = of.w * sums.qq - sums.q * sums.q;
  if (!(determinant > 0)) return otherwise;
  const ScaleAndMin fitted{(of.w * sums.qx - of.wx * sums.q) / determinant,
                           (sums.qq * of.wx - sums.q * sums.qx) / determinant};
  if (!below_zero || fitted.min <= 0) return fitted;
  return {sums.qq > 0 ? sums.qx / sums.qq : 0, 0};
}

// The scale and minimum of least error: each end of the range from half a step outside to a step and a half inside,
// where numbers are cut. hold: how both will be held.
template <int kMost, int N, class Hold>
ScaleAndMin best_range_of(const float* x, const float* weights, bool below_zero, Hold hold) {
  const auto [lowest, highest] = std::minmax_element(x, x + N);
  const float low = below_zero ? std::min(*lowest, 0.0f) : *lowest;
  const float high = below_zero ? std::max(*highest, 0.0f) : *highest;
  const WeightSums of = weight_sums<N>(x, weights);
  ScaleAndMin best{0, hold(of.w > 0 ? of.wx / of.w : low)};
  if (below_zero) best.min = std::min(best.min, 0.0f);
  float least = range_sums_under<kMost, N>(x, weights, best.scale, best.min).error;
  if (!(high > low)) return best;
  constexpr float kOutside = 0.5f;
  constexpr float kStride = 0.5f;
  constexpr int kTries = 5;
  const float step = (high - low) / static_cast<float>(kMost);
  const auto moved = [&](int i) { return step * (kStride * static_cast<float>(i) - kOutside); };
  for (int i = 0; i < kTries; ++i) {
    for (int j = 0; j < kTries; ++j) {
      const float from = low + moved(i);
      const float to = high - moved(j);
      ScaleAndMin tried{(to - from) / static_cast<float>(kMost), below_zero ? std::min(from, 0.0f) : from};
      if (!(tried.scale > 0)) continue;
      for (int round = 0; round < 2; ++round) {
        tried = fit_range(range_sums_under<kMost, N>(x, weights, tried.scale, tried.min), of, below_zero, tried);
        tried = {hold(tried.scale), hold(tried.min)};
        const float error = range_sums_under<kMost, N>(x, weights, tried.scale, tried.min).error;
        if (!(error < least)) break;
        least = error;
        best = tried;
      }
    }
  }
  return best;
}

// ---- whole blocks

template <class Block>
double error_of(const Block& block, const float* x, const float* weights) {
  float values[Block::kElements];
  decode_block(block, values);
  double sum = 0;
  for (int i = 0; i < Block::kElements; ++i) {
    const double difference = double{values[i]} - x[i];
    sum += weights[i] * difference * difference;
  }
  return sum;
}

// Keeps in `best` the block of less error; what is not finite never wins.
template <class Block>
void keep_better(const Block& candidate, const float* x, const float* weights, Block& best) {
  if (error_of(candidate, x, weights) < error_of(best, x, weights)) best = candidate;
}

}  // namespace linnet
