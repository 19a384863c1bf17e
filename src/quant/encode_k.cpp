// The k-quants: a block of 256 in groups, whose scales (and minima) are themselves quantised. The scale of each group
// is searched for (ggml's make_qkx2_quants, make_qx_quants and make_q3_quants), then all are brought under the block's.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"

namespace linnet {

namespace {

// ---- x ≈ scale q + min, q from 0 to `most` (Q2_K, Q4_K, Q5_K)

struct AffineSearch {
  int most;
  // Candidate ranges: (most + first + step k) codes over the group's width, k from 0 to `steps`.
  float first;
  float step;
  int steps;
  bool absolute;  // the error is |difference|, else its square
};

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

// The codes of a group under the scale that its block kept. One of scale 0 keeps those of the search.
void round_affine(const float* x, int count, float scale, float min, int most, uint8_t* codes) {
  if (scale == 0) return;
  for (int i = 0; i < count; ++i)
    codes[i] = static_cast<uint8_t>(std::clamp(nearest_int((x[i] + min) / scale), 0, most));
}

// Elements 0–255 two bits each: each half block in 32 bytes, bits 2s and 2s + 1 of byte j element 32 s + j.
void pack_two_bits(const uint8_t* codes, uint8_t (&qs)[64]) {
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 32; ++j) {
      const uint8_t* c = codes + ptrdiff_t{128} * half + j;
      qs[ptrdiff_t{32} * half + j] = static_cast<uint8_t>(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
  }
}

// Low nibbles of each pair of groups of 32.
void pack_nibbles(const uint8_t* codes, uint8_t (&qs)[128]) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t* c = codes + ptrdiff_t{64} * pair + i;
      qs[ptrdiff_t{32} * pair + i] = static_cast<uint8_t>((c[0] & 15) | (c[32] & 15) << 4);
    }
  }
}

// The reverse of unpack_scale_min.
void pack_scale_min(int pair, ScaleMin value, uint8_t (&packed)[12]) {
  if (pair < 4) {
    packed[pair] = value.scale;
    packed[pair + 4] = value.min;
    return;
  }
  packed[pair + 4] = static_cast<uint8_t>((value.scale & 15) | (value.min & 15) << 4);
  packed[pair - 4] |= static_cast<uint8_t>(value.scale >> 4 << 6);
  packed[pair] |= static_cast<uint8_t>(value.min >> 4 << 6);
}

// All groups of a block, each searched for with the weights that `weigh(group, weights)` gives its numbers.
template <int kGroups>
struct AffineGroups {
  static constexpr int kSize = kSuperBlock / kGroups;
  Affine groups[kGroups];
  float most_scale = 0;
  float most_min = 0;  // of the minima's magnitudes

  template <class Weigh>
  AffineGroups(const float* x, const AffineSearch& search, uint8_t* codes, Weigh weigh) {
    for (int g = 0; g < kGroups; ++g) {
      const float* group = x + ptrdiff_t{kSize} * g;
      float weights[kSize];
      weigh(group, weights);
      groups[g] = search_affine<kSize>(group, weights, search, codes + ptrdiff_t{kSize} * g);
      most_scale = std::max(most_scale, groups[g].scale);
      most_min = std::max(most_min, -groups[g].min);
    }
  }

  // Scale and minimum of group g in steps of which the largest has `most`.
  int scale_code(int g, float most) const {
    return most_scale > 0 ? nearest_int(most / most_scale * groups[g].scale) : 0;
  }
  int min_code(int g, float most) const { return most_min > 0 ? nearest_int(most / most_min * -groups[g].min) : 0; }
};

// What Q4_K and Q5_K share: eight groups of 32, weighted by their size and by each number's own.
template <class Block>
void encode_eight_groups(const float* x, const AffineSearch& search, Block& block, uint8_t (&codes)[kSuperBlock]) {
  const AffineGroups<8> found(x, search, codes, [](const float* group, float* weights) {
    float squares = 0;
    for (int i = 0; i < 32; ++i) squares += group[i] * group[i];
    const float size = std::sqrt(squares / 32);
    for (int i = 0; i < 32; ++i) weights[i] = size + std::fabs(group[i]);
  });
  constexpr float kMost = 63;
  for (int g = 0; g < 8; ++g) {
    const auto scale = static_cast<uint8_t>(found.scale_code(g, kMost));
    const auto min = static_cast<uint8_t>(found.min_code(g, kMost));
    pack_scale_min(g, {std::min<uint8_t>(63, scale), std::min<uint8_t>(63, min)}, block.scales);
  }
  block.d = to_half(found.most_scale / kMost);
  block.dmin = to_half(found.most_min / kMost);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin kept = unpack_scale_min(block.scales, g);
    round_affine(x + ptrdiff_t{32} * g, 32, to_float(block.d) * static_cast<float>(kept.scale),
                 to_float(block.dmin) * static_cast<float>(kept.min), search.most, codes + ptrdiff_t{32} * g);
  }
  pack_nibbles(codes, block.qs);
}

// ---- x ≈ scale q, q from -half to half - 1 (Q3_K, Q6_K)

int signed_code(float x, int half) {
  return std::clamp(nearest_int(x), -half, half - 1);
}

Fit fit_symmetric(const float* x, int count, float inverse, int half) {
  Fit fit;
  for (int i = 0; i < count; ++i) {
    const auto q = static_cast<float>(signed_code(inverse * x[i], half));
    const float weight = x[i] * x[i];
    fit.products += weight * x[i] * q;
    fit.squares += weight * q * q;
  }
  return fit;
}

void write_signed(const float* x, int count, float inverse, int half, uint8_t* codes) {
  for (int i = 0; i < count; ++i) codes[i] = static_cast<uint8_t>(half + signed_code(inverse * x[i], half));
}

// The best of nineteen scales, weighted by x². Codes are raised by `half`.
float search_symmetric(const float* x, int count, int half, uint8_t* codes) {
  const Extreme extreme = extreme_of(x, count);
  if (extreme.magnitude < kSmallestGroup) {
    std::fill(codes, codes + count, uint8_t{0});
    return 0;
  }
  const float first = static_cast<float>(-half) / extreme.value;
  const Fit plain = fit_symmetric(x, count, first, half);
  write_signed(x, count, first, half, codes);
  float scale = plain.squares != 0 ? plain.scale() : 0.0f;
  float best = scale * plain.products;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse = -(static_cast<float>(half) + 0.1f * static_cast<float>(step)) / extreme.value;
    const Fit fit = fit_symmetric(x, count, inverse, half);
    if (!(fit.squares > 0 && fit.products * fit.products > best * fit.squares)) continue;
    write_signed(x, count, inverse, half, codes);
    scale = fit.scale();
    best = scale * fit.products;
  }
  return scale;
}

// Q3_K's: codes are changed one at a time while that lowers the error, five times round at most.
float descend_symmetric(const float* x, int count, int half, uint8_t* codes) {
  const Extreme extreme = extreme_of(x, count);
  if (extreme.magnitude < kSmallestGroup) {
    std::fill(codes, codes + count, uint8_t{0});
    return 0;
  }
  const float inverse = static_cast<float>(-half) / extreme.value;
  Fit fit = fit_symmetric(x, count, inverse, half);
  write_signed(x, count, inverse, half, codes);
  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (int i = 0; i < count; ++i) {
      const float weight = x[i] * x[i];
      const auto q = static_cast<float>(codes[i] - half);
      Fit without{fit.products - weight * x[i] * q, fit.squares - weight * q * q};
      if (!(without.products > 0)) continue;
      const int code = signed_code(x[i] * without.squares / without.products, half);
      if (code == codes[i] - half) continue;
      const auto next = static_cast<float>(code);
      without.products += weight * x[i] * next;
      without.squares += weight * next * next;
      if (without.squares > 0 &&
          without.products * without.products * fit.squares > fit.products * fit.products * without.squares) {
        codes[i] = static_cast<uint8_t>(code + half);
        fit = without;
        changed = true;
      }
    }
  }
  return fit.squares > 0 ? fit.scale() : 0.0f;
}

void round_symmetric(const float* x, int count, float scale, int half, uint8_t* codes) {
  if (scale == 0) return;
  for (int i = 0; i < count; ++i) codes[i] = static_cast<uint8_t>(signed_code(x[i] / scale, half) + half);
}

// The reverse of unpack_q3_scale.
void pack_q3_scale(int group, int code, uint8_t (&packed)[12]) {
  packed[group % 8] |= static_cast<uint8_t>((code & 15) << (group / 8 * 4));
  packed[8 + group % 4] |= static_cast<uint8_t>(code >> 4 << (group / 4 * 2));
}

}  // namespace

void encode_block(const float* x, BlockQ2_K& block) {
  constexpr AffineSearch kSearch{.most = 3, .first = -0.5f, .step = 0.1f, .steps = 15, .absolute = true};
  block = {};
  uint8_t codes[kSuperBlock];
  const AffineGroups<16> found(x, kSearch, codes, [](const float* group, float* weights) {
    for (int i = 0; i < 16; ++i) weights[i] = std::fabs(group[i]);
  });
  constexpr float kMost = 15;
  for (int g = 0; g < 16; ++g) {
    block.scales[g] = static_cast<uint8_t>(found.scale_code(g, kMost) | found.min_code(g, kMost) << 4);
  }
  block.d = to_half(found.most_scale / kMost);
  block.dmin = to_half(found.most_min / kMost);
  for (int g = 0; g < 16; ++g) {
    round_affine(x + ptrdiff_t{16} * g, 16, to_float(block.d) * static_cast<float>(block.scales[g] & 15),
                 to_float(block.dmin) * static_cast<float>(block.scales[g] >> 4), kSearch.most,
                 codes + ptrdiff_t{16} * g);
  }
  pack_two_bits(codes, block.qs);
}

void encode_block(const float* x, BlockQ3_K& block) {
  constexpr int kHalf = 4;
  block = {};
  uint8_t codes[kSuperBlock];
  float scales[16];
  for (int g = 0; g < 16; ++g)
    scales[g] = descend_symmetric(x + ptrdiff_t{16} * g, 16, kHalf, codes + ptrdiff_t{16} * g);
  const Extreme extreme = extreme_of(scales, 16);
  float d = 0;
  if (extreme.value != 0) {
    const float inverse = -32.f / extreme.value;
    for (int g = 0; g < 16; ++g) pack_q3_scale(g, signed_code(inverse * scales[g], 32) + 32, block.scales);
    d = 1 / inverse;
  }
  block.d = to_half(d);
  for (int g = 0; g < 16; ++g) {
    const float scale = to_float(block.d) * static_cast<float>(unpack_q3_scale(block.scales, g) - 32);
    round_symmetric(x + ptrdiff_t{16} * g, 16, scale, kHalf, codes + ptrdiff_t{16} * g);
  }
  for (int i = 0; i < kSuperBlock; ++i) {
    block.hmask[i % 32] |= static_cast<uint8_t>((codes[i] >> 2) << (i / 32));
    codes[i] &= 3;
  }
  pack_two_bits(codes, block.qs);
}

void encode_block(const float* x, BlockQ4_K& block) {
  uint8_t codes[kSuperBlock];
  encode_eight_groups(x, {.most = 15, .first = -1.f, .step = 0.1f, .steps = 20, .absolute = false}, block, codes);
}

void encode_block(const float* x, BlockQ5_K& block) {
  uint8_t codes[kSuperBlock];
  encode_eight_groups(x, {.most = 31, .first = -0.5f, .step = 0.1f, .steps = 15, .absolute = false}, block, codes);
  std::fill(std::begin(block.qh), std::end(block.qh), uint8_t{0});
  for (int i = 0; i < kSuperBlock; ++i) block.qh[i % 32] |= static_cast<uint8_t>((codes[i] >> 4) << (i / 32));
}

void encode_block(const float* x, BlockQ6_K& block) {
  constexpr int kHalf = 32;
  block = {};
  uint8_t codes[kSuperBlock];
  float scales[16];
  for (int g = 0; g < 16; ++g)
    scales[g] = search_symmetric(x + ptrdiff_t{16} * g, 16, kHalf, codes + ptrdiff_t{16} * g);
  const Extreme extreme = extreme_of(scales, 16);
  if (extreme.magnitude < kSmallestGroup) return;
  const float inverse = -128.f / extreme.value;
  block.d = to_half(1 / inverse);
  for (int g = 0; g < 16; ++g) {
    block.scales[g] = static_cast<int8_t>(std::min(127, nearest_int(inverse * scales[g])));
    round_symmetric(x + ptrdiff_t{16} * g, 16, to_float(block.d) * static_cast<float>(block.scales[g]), kHalf,
                    codes + ptrdiff_t{16} * g);
  }
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 32; ++j) {
      const uint8_t* c = codes + ptrdiff_t{128} * half + j;
      block.ql[ptrdiff_t{64} * half + j] = static_cast<uint8_t>((c[0] & 15) | (c[64] & 15) << 4);
      block.ql[ptrdiff_t{64} * half + 32 + j] = static_cast<uint8_t>((c[32] & 15) | (c[96] & 15) << 4);
      block.qh[ptrdiff_t{32} * half + j] =
          static_cast<uint8_t>(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
    }
  }
}

}  // namespace linnet
