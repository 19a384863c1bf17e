// How ggml finds the scale of a group of numbers, and its minimum: a few candidates, each refined by least squares, the
// best by weighted error (ggml-quants.c: make_qkx2_quants and make_qkx3_quants, make_qx_quants, make_qp_quants).
// Without an importance matrix the weights are made of the numbers themselves, with one of importance and numbers.
//
// The order of each sum is ggml's: floating-point addition in another order gives other bits.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cmath>

#include "quant/encode_numbers.hpp"

namespace linnet {

// ---- x ≈ scale q + min, q from 0 to `most`

struct AffineSearch {
  int most;
  // Candidate ranges: (most + first + step k) codes over the group's width, k from 0 to `steps`.
  float first;
  float step;
  int steps;
  bool absolute;  // the error is |difference|, else its square
};

// What ggml tries where there is importance.
constexpr AffineSearch weighted_affine(int most) {
  return {.most = most, .first = -0.9f, .step = 0.05f, .steps = 36, .absolute = false};
}

struct Affine {
  float scale = 0;
  float min = 0;
};

// One group under one rounding.
template <int N>
struct AffineTry {
  int codes[N];
  float sum_q = 0;   // Σ w q
  float sum_qq = 0;  // Σ w q²
  float sum_qx = 0;  // Σ w q x

  AffineTry(const float* x, const float* weights, float min, float inverse, int most) {
    for (int i = 0; i < N; ++i) {
      codes[i] = std::clamp(nearest_int(inverse * (x[i] - min)), 0, most);
      const auto q = static_cast<float>(codes[i]);
      sum_q += weights[i] * q;
      sum_qq += weights[i] * q * q;
      sum_qx += weights[i] * q * x[i];
    }
  }

  float error(const float* x, const float* weights, Affine affine, bool absolute) const {
    float sum = 0;
    for (int i = 0; i < N; ++i) {
      const float difference = affine.scale * static_cast<float>(codes[i]) + affine.min - x[i];
      sum += weights[i] * (absolute ? std::fabs(difference) : difference * difference);
    }
    return sum;
  }

  void write(uint8_t* out) const {
    for (int i = 0; i < N; ++i) out[i] = static_cast<uint8_t>(codes[i]);
  }
};

// The scale and minimum, never above 0, of least weighted error among the candidates, each refined by least squares;
// and their codes.
template <int N>
Affine search_affine(const float* x, const float* weights, const AffineSearch& search, uint8_t* codes) {
  float min = x[0];
  float max = x[0];
  float sum_w = weights[0];
  float sum_x = sum_w * x[0];
  for (int i = 1; i < N; ++i) {
    min = std::min(min, x[i]);
    max = std::max(max, x[i]);
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  min = std::min(min, 0.0f);
  if (max == min) {
    std::fill(codes, codes + N, uint8_t{0});
    return {0, min};
  }
  const auto most = static_cast<float>(search.most);
  const float inverse = most / (max - min);
  Affine best{1 / inverse, min};
  const AffineTry<N> plain(x, weights, min, inverse, search.most);
  float least = plain.error(x, weights, best, search.absolute);
  plain.write(codes);
  for (int k = 0; k <= search.steps; ++k) {
    // As in ggml, the range begins at the best minimum so far.
    const float tried = (search.first + search.step * static_cast<float>(k) + most) / (max - best.min);
    const AffineTry<N> t(x, weights, best.min, tried, search.most);
    const float determinant = sum_w * t.sum_qq - t.sum_q * t.sum_q;
    if (!(determinant > 0)) continue;
    Affine fitted{(sum_w * t.sum_qx - sum_x * t.sum_q) / determinant,
                  (t.sum_qq * sum_x - t.sum_q * t.sum_qx) / determinant};
    if (fitted.min > 0) fitted = {t.sum_qx / t.sum_qq, 0};
    const float error = t.error(x, weights, fitted, search.absolute);
    if (error < least) {
      least = error;
      best = fitted;
      t.write(codes);
    }
  }
  return best;
}

// ---- x ≈ scale q, q from -half to half - 1

inline int signed_code(float x, int half) {
  return std::clamp(nearest_int(x), -half, half - 1);
}

inline Fit fit_symmetric(const float* x, const float* weights, int count, float inverse, int half) {
  Fit fit;
  for (int i = 0; i < count; ++i) {
    const auto q = static_cast<float>(signed_code(inverse * x[i], half));
    fit.products += weights[i] * x[i] * q;
    fit.squares += weights[i] * q * q;
  }
  return fit;
}

inline void write_signed(const float* x, int count, float inverse, int half, uint8_t* codes) {
  for (int i = 0; i < count; ++i) codes[i] = static_cast<uint8_t>(half + signed_code(inverse * x[i], half));
}

// The best of nineteen scales, and its codes, raised by `half`.
inline float search_symmetric(const float* x, const float* weights, int count, int half, uint8_t* codes) {
  const Extreme extreme = extreme_of(x, count);
  if (extreme.magnitude < kSmallestGroup) {
    std::fill(codes, codes + count, uint8_t{0});
    return 0;
  }
  const float first = static_cast<float>(-half) / extreme.value;
  const Fit plain = fit_symmetric(x, weights, count, first, half);
  write_signed(x, count, first, half, codes);
  float scale = plain.squares != 0 ? plain.scale() : 0.0f;
  float best = scale * plain.products;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse = -(static_cast<float>(half) + 0.1f * static_cast<float>(step)) / extreme.value;
    const Fit fit = fit_symmetric(x, weights, count, inverse, half);
    if (!(fit.squares > 0 && fit.products * fit.products > best * fit.squares)) continue;
    write_signed(x, count, inverse, half, codes);
    scale = fit.scale();
    best = scale * fit.products;
  }
  return scale;
}

// ---- x ≈ scale q of numbers from 0 up, q to `most`: a block's scales or minima

// Changes codes one at a time while that lowers the error, five times round at most; returns the sums after.
inline Fit descend_positive(const float* x, const float* weights, int count, int most, Fit fit, uint8_t* codes) {
  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (int i = 0; i < count; ++i) {
      const auto q = static_cast<float>(codes[i]);
      Fit without{fit.products - weights[i] * x[i] * q, fit.squares - weights[i] * q * q};
      if (!(without.products > 0 && without.squares > 0)) continue;
      const int code = std::min(most, nearest_int(x[i] * without.squares / without.products));
      if (code == codes[i]) continue;
      const auto next = static_cast<float>(code);
      without.products += weights[i] * x[i] * next;
      without.squares += weights[i] * next * next;
      if (without.products * without.products * fit.squares > fit.products * fit.products * without.squares) {
        codes[i] = static_cast<uint8_t>(code);
        fit = without;
        changed = true;
      }
    }
  }
  return fit;
}

inline float search_positive(const float* x, const float* weights, int count, int most, uint8_t* codes) {
  float max = 0;
  for (int i = 0; i < count; ++i) max = std::max(max, x[i]);
  if (max < kSmallestGroup) {
    std::fill(codes, codes + count, uint8_t{0});
    return 0;
  }
  const auto top = static_cast<float>(most);
  const auto error_of = [&](float inverse) {
    const float scale = 1 / inverse;
    float sum = 0;
    for (int i = 0; i < count; ++i) {
      const float difference = x[i] - scale * static_cast<float>(std::min(most, nearest_int(inverse * x[i])));
      sum += weights[i] * difference * difference;
    }
    return sum;
  };
  float inverse = top / max;
  float least = error_of(inverse);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float tried = (0.1f * static_cast<float>(step) + top) / max;
    const float error = error_of(tried);
    if (error < least) {
      least = error;
      inverse = tried;
    }
  }
  Fit fit;
  for (int i = 0; i < count; ++i) {
    codes[i] = static_cast<uint8_t>(std::min(most, nearest_int(inverse * x[i])));
    const auto q = static_cast<float>(codes[i]);
    fit.products += weights[i] * x[i] * q;
    fit.squares += weights[i] * q * q;
  }
  fit = descend_positive(x, weights, count, most, fit, codes);
  return fit.squares > 0 ? fit.scale() : 0.0f;
}

}  // namespace linnet
