// Q4_0: 32 elements, one half-precision scale, x = d * (q - 8). Layout and decoding of ggml's block_q4_0.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ4_0 {
  static constexpr int kElements = 32;
  Half d;
  uint8_t qs[16];  // low nibbles: elements 0–15; high nibbles: 16–31
};
static_assert(sizeof(BlockQ4_0) == 18);

inline void decode_block(const BlockQ4_0& block, float* out) {
  const float d = to_float(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((block.qs[i] & 15) - 8) * d;
    out[i + 16] = static_cast<float>((block.qs[i] >> 4) - 8) * d;
  }
}

}  // namespace linnet
