// The k-quants of a scale alone: sixteen groups of 16, whose scales are searched for and then brought under the block's
// (ggml's quantize_row_q3_K and q6_K).
#include <algorithm>
#include <cmath>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"
#include "quant/group_fit.hpp"
#include "quant/pack_codes.hpp"

namespace linnet {

namespace {

constexpr int kGroups = 16;
constexpr int kSize = 16;
constexpr int kQ3Half = 4;
constexpr int kQ6Half = 32;
constexpr int kQ3ScaleHalf = 32;

void square(const float* x, float (&squares)[kSize]) {
  for (int i = 0; i < kSize; ++i) squares[i] = x[i] * x[i];
}

// Q3_K's: codes are changed one at a time while that lowers the error, five times round at most.
float descend_symmetric(const float* x, const float* weights, int count, int half, uint8_t* codes) {
  const Extreme extreme = extreme_of(x, count);
  if (extreme.magnitude < kSmallestGroup) {
    std::fill(codes, codes + count, uint8_t{0});
    return 0;
  }
  const float inverse = static_cast<float>(-half) / extreme.value;
  Fit fit = fit_symmetric(x, weights, count, inverse, half);
  write_signed(x, count, inverse, half, codes);
  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (int i = 0; i < count; ++i) {
      const auto q = static_cast<float>(codes[i] - half);
      Fit without{fit.products - weights[i] * x[i] * q, fit.squares - weights[i] * q * q};
      if (!(without.products > 0)) continue;
      const int code = signed_code(x[i] * without.squares / without.products, half);
      if (code == codes[i] - half) continue;
      const auto next = static_cast<float>(code);
      without.products += weights[i] * x[i] * next;
      without.squares += weights[i] * next * next;
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

void round_symmetric(const float* x, float scale, int half, uint8_t* codes) {
  if (scale == 0) return;
  for (int i = 0; i < kSize; ++i) codes[i] = static_cast<uint8_t>(signed_code(x[i] / scale, half) + half);
}

// The block whose groups have the scales d (scale_codes - 32).
void finish_q3_k(const float* x, float d, const uint8_t (&scale_codes)[kGroups], BlockQ3_K& block,
                 uint8_t (&codes)[kSuperBlock]) {
  block = {};
  block.d = to_half(d);
  for (int g = 0; g < kGroups; ++g) {
    pack_q3_scale(g, scale_codes[g], block.scales);
    const float scale = to_float(block.d) * static_cast<float>(scale_codes[g] - kQ3ScaleHalf);
    round_symmetric(x + ptrdiff_t{kSize} * g, scale, kQ3Half, codes + ptrdiff_t{kSize} * g);
  }
  pack_third_bits(codes, block.hmask);
  pack_two_bits(codes, block.qs);
}

void finish_q6_k(const float* x, const float (&scales)[kGroups], BlockQ6_K& block, uint8_t (&codes)[kSuperBlock]) {
  block = {};
  const Extreme extreme = extreme_of(scales, kGroups);
  if (extreme.magnitude < kSmallestGroup) return;
  const float inverse = -128.f / extreme.value;
  block.d = to_half(1 / inverse);
  for (int g = 0; g < kGroups; ++g) {
    block.scales[g] = static_cast<int8_t>(std::min(127, nearest_int(inverse * scales[g])));
    round_symmetric(x + ptrdiff_t{kSize} * g, to_float(block.d) * static_cast<float>(block.scales[g]), kQ6Half,
                    codes + ptrdiff_t{kSize} * g);
  }
  pack_six_bits(codes, block.ql, block.qh);
}

}  // namespace

void encode_block(const float* x, BlockQ3_K& block) {
  uint8_t codes[kSuperBlock];
  float scales[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    float squares[kSize];
    square(x + first, squares);
    scales[g] = descend_symmetric(x + first, squares, kSize, kQ3Half, codes + first);
  }
  const Extreme extreme = extreme_of(scales, kGroups);
  uint8_t scale_codes[kGroups] = {};
  float d = 0;
  if (extreme.value != 0) {
    const float inverse = static_cast<float>(-kQ3ScaleHalf) / extreme.value;
    write_signed(scales, kGroups, inverse, kQ3ScaleHalf, scale_codes);
    d = 1 / inverse;
  }
  finish_q3_k(x, d, scale_codes, block, codes);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ3_K& block) {
  uint8_t codes[kSuperBlock];
  float squares = 0;
  for (int i = 0; i < kSuperBlock; ++i) squares += x[i] * x[i];
  const float spread_square = 2 * squares / kSuperBlock;
  float scales[kGroups];
  float sums[kGroups] = {};
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    float weights[kSize];
    for (int i = 0; i < kSize; ++i) {
      weights[i] = importance.columns[first + i] * std::sqrt(spread_square + x[first + i] * x[first + i]);
      sums[g] += weights[i];
    }
    scales[g] = search_symmetric(x + first, weights, kSize, kQ3Half, codes + first);
  }
  uint8_t scale_codes[kGroups];
  const float d = search_symmetric(scales, sums, kGroups, kQ3ScaleHalf, scale_codes);
  finish_q3_k(x, d, scale_codes, block, codes);
}

void encode_block(const float* x, BlockQ6_K& block) {
  uint8_t codes[kSuperBlock];
  float scales[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    float squares[kSize];
    square(x + first, squares);
    scales[g] = search_symmetric(x + first, squares, kSize, kQ6Half, codes + first);
  }
  finish_q6_k(x, scales, block, codes);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ6_K& block) {
  uint8_t codes[kSuperBlock];
  float scales[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    const int first = kSize * g;
    scales[g] = search_symmetric(x + first, importance.columns + first, kSize, kQ6Half, codes + first);
  }
  finish_q6_k(x, scales, block, codes);
}

}  // namespace linnet
