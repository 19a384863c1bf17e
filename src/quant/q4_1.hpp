// Q4_1: 32 elements, a half-precision scale and minimum, x = d * q + m. Layout and decoding of ggml's block_q4_1.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ4_1 {
  static constexpr int kElements = 32;
  Half d;
  Half m;
  uint8_t qs[16];  // low nibbles: elements 0–15; high nibbles: 16–31
};
static_assert(sizeof(BlockQ4_1) == 20);

inline void decode_block(const BlockQ4_1& block, float* out) {
  const float d = to_float(block.d);
  const float m = to_float(block.m);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(block.qs[i] & 15) * d + m;
    out[i + 16] = static_cast<float>(block.qs[i] >> 4) * d + m;
  }
}

}  // namespace linnet
