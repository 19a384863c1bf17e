// The formats of 32 elements with one scale, and with a minimum beside it. Without importance each is the range of its
// block cut into equal steps (ggml's quantize_row_q*_ref), with it the scale is searched for (quantize_row_q*_impl).
#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/encode.hpp"
#include "quant/encode_numbers.hpp"
#include "quant/group_fit.hpp"
#include "quant/pack_codes.hpp"

namespace linnet {

namespace {

constexpr int kBlock = 32;

// Codes q with x ≈ d (q - half), q from 0 to 2 half - 1. Returns d: the number of the largest magnitude lies on code 0.
float encode_symmetric(const float* x, int half, uint8_t (&codes)[kBlock]) {
  const float d = extreme_of(x, kBlock).value / static_cast<float>(-half);
  const float inverse = inverse_or_zero(d);
  const float shift = static_cast<float>(half) + 0.5f;
  for (int i = 0; i < kBlock; ++i) {
    const int code = as_int8(x[i] * inverse + shift);
    codes[i] = static_cast<uint8_t>(std::min(2 * half - 1, code));
  }
  return d;
}

// x ≈ d q + m, q from 0 to `most`. `scaled`: the codes before they are cut.
template <class Block>
void encode_range(const float* x, int most, Block& block, float (&scaled)[kBlock]) {
  float min = std::numeric_limits<float>::max();
  float max = -std::numeric_limits<float>::max();
  for (int i = 0; i < kBlock; ++i) {
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
  }
  const float d = (max - min) / static_cast<float>(most);
  const float inverse = inverse_or_zero(d);
  for (int i = 0; i < kBlock; ++i) scaled[i] = (x[i] - min) * inverse + 0.5f;
  block.d = to_half(d);
  block.m = to_half(min);
}

void weigh(const float* x, const BlockImportance& importance, float (&weights)[kBlock]) {
  for (int i = 0; i < kBlock; ++i) {
    weights[i] = importance.columns[i] * std::sqrt(importance.row_mean_square + x[i] * x[i]);
  }
}

Half fitted_symmetric(const float* x, const BlockImportance& importance, int half, uint8_t (&codes)[kBlock]) {
  float weights[kBlock];
  weigh(x, importance, weights);
  return to_half(search_symmetric(x, weights, kBlock, half, codes));
}

template <class Block>
void fit_range(const float* x, const BlockImportance& importance, int most, Block& block, uint8_t (&codes)[kBlock]) {
  float weights[kBlock];
  weigh(x, importance, weights);
  const Affine found = search_affine<kBlock>(x, weights, weighted_affine(most), codes);
  block.d = to_half(found.scale);
  block.m = to_half(found.min);
}

}  // namespace

void encode_block(const float* x, BlockQ4_0& block) {
  uint8_t codes[kBlock];
  block.d = to_half(encode_symmetric(x, 8, codes));
  pack_nibbles(codes, block.qs);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ4_0& block) {
  uint8_t codes[kBlock];
  block.d = fitted_symmetric(x, importance, 8, codes);
  pack_nibbles(codes, block.qs);
}

void encode_block(const float* x, BlockQ5_0& block) {
  uint8_t codes[kBlock];
  block.d = to_half(encode_symmetric(x, 16, codes));
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ5_0& block) {
  uint8_t codes[kBlock];
  block.d = fitted_symmetric(x, importance, 16, codes);
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void encode_block(const float* x, BlockQ4_1& block) {
  float scaled[kBlock];
  encode_range(x, 15, block, scaled);
  uint8_t codes[kBlock];
  for (int i = 0; i < kBlock; ++i) {
    codes[i] = static_cast<uint8_t>(std::min(15, as_int8(scaled[i])));
  }
  pack_nibbles(codes, block.qs);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ4_1& block) {
  uint8_t codes[kBlock];
  fit_range(x, importance, 15, block, codes);
  pack_nibbles(codes, block.qs);
}

void encode_block(const float* x, BlockQ5_1& block) {
  float scaled[kBlock];
  encode_range(x, 31, block, scaled);
  uint8_t codes[kBlock];
  for (int i = 0; i < kBlock; ++i) codes[i] = static_cast<uint8_t>(truncated(scaled[i]));
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void encode_block(const float* x, const BlockImportance& importance, BlockQ5_1& block) {
  uint8_t codes[kBlock];
  fit_range(x, importance, 31, block, codes);
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void encode_block(const float* x, BlockQ8_0& block) {
  const float d = extreme_of(x, kBlock).magnitude / 127;
  const float inverse = inverse_or_zero(d);
  block.d = to_half(d);
  for (int i = 0; i < kBlock; ++i) block.qs[i] = static_cast<int8_t>(as_int8(std::round(x[i] * inverse)));
}

}  // namespace linnet
