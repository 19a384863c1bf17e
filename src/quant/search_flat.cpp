// Blocks of 32 with one scale, or with a scale and a minimum.
#include "quant/pack_codes.hpp"
#include "quant/search.hpp"
#include "quant/search_fit.hpp"

namespace linnet {

namespace {

constexpr int kBlock = 32;

template <class Levels>
float codes_of(const float* x, const float* weights, uint8_t (&codes)[kBlock]) {
  const float scale = best_scale_of<Levels, kBlock>(x, weights, as_half);
  const float inverse = inverse_or_zero(scale);
  for (int i = 0; i < kBlock; ++i) codes[i] = Levels::code(x[i] * inverse);
  return scale;
}

template <int kMost>
ScaleAndMin range_codes_of(const float* x, const float* weights, uint8_t (&codes)[kBlock]) {
  const ScaleAndMin found = best_range_of<kMost, kBlock>(x, weights, false, as_half);
  const float inverse = inverse_or_zero(found.scale);
  for (int i = 0; i < kBlock; ++i) codes[i] = WholeLevels<0, kMost>::code((x[i] - found.min) * inverse);
  return found;
}

}  // namespace

void search_block(const float* x, const float* importance, BlockQ4_0& block) {
  encode_block(x, block);
  BlockQ4_0 found;
  uint8_t codes[kBlock];
  found.d = to_half(codes_of<WholeLevels<-8, 7>>(x, importance, codes));
  pack_nibbles(codes, found.qs);
  keep_better(found, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ5_0& block) {
  encode_block(x, block);
  BlockQ5_0 found;
  uint8_t codes[kBlock];
  found.d = to_half(codes_of<WholeLevels<-16, 15>>(x, importance, codes));
  pack_nibbles(codes, found.qs);
  pack_fifth_bits(codes, found.qh);
  keep_better(found, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ8_0& block) {
  encode_block(x, block);
  BlockQ8_0 found;
  uint8_t codes[kBlock];
  found.d = to_half(codes_of<WholeLevels<-128, 127>>(x, importance, codes));
  for (int i = 0; i < kBlock; ++i) found.qs[i] = static_cast<int8_t>(codes[i] - 128);
  keep_better(found, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockIQ4_NL& block) {
  encode_block(x, block);
  BlockIQ4_NL found;
  uint8_t codes[kBlock];
  found.d = to_half(codes_of<Iq4Levels>(x, importance, codes));
  pack_nibbles(codes, found.qs);
  keep_better(found, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ4_1& block) {
  encode_block(x, block);
  BlockQ4_1 found;
  uint8_t codes[kBlock];
  const ScaleAndMin range = range_codes_of<15>(x, importance, codes);
  found.d = to_half(range.scale);
  found.m = to_half(range.min);
  pack_nibbles(codes, found.qs);
  keep_better(found, x, importance, block);
}

void search_block(const float* x, const float* importance, BlockQ5_1& block) {
  encode_block(x, block);
  BlockQ5_1 found;
  uint8_t codes[kBlock];
  const ScaleAndMin range = range_codes_of<31>(x, importance, codes);
  found.d = to_half(range.scale);
  found.m = to_half(range.min);
  pack_nibbles(codes, found.qs);
  pack_fifth_bits(codes, found.qh);
  keep_better(found, x, importance, block);
}

// The scale is a power of two, so there are few: one more cuts the largest number, or leaves it the next level down.
void search_block(const float* x, const float* importance, BlockMXFP4& block) {
  encode_block(x, block);
  const int exponent = block.e;
  constexpr int kMostExponent = 252;  // beyond it the largest level is not finite
  for (const int tried : {exponent - 1, exponent + 1}) {
    if (tried < 0 || tried > kMostExponent) continue;
    BlockMXFP4 found;
    encode_block_under(x, static_cast<uint8_t>(tried), found);
    keep_better(found, x, importance, block);
  }
}

}  // namespace linnet
