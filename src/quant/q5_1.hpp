// Q5_1: 32 elements, a half-precision scale and minimum, x = d * q + m. Layout and decoding of ggml's block_q5_1.
#pragma once

#include "quant/block.hpp"
#include "quant/q5_0.hpp"

namespace linnet {

struct BlockQ5_1 {
  static constexpr int kElements = 32;
  Half d;
  Half m;
  uint8_t qh[4];   // bit i of this little-endian number: the fifth bit of element i
  uint8_t qs[16];  // low nibbles: elements 0–15; high nibbles: 16–31
};
static_assert(sizeof(BlockQ5_1) == 24);

inline void decode_block(const BlockQ5_1& block, float* out) {
  const float d = to_float(block.d);
  const float m = to_float(block.m);
  const uint32_t high = fifth_bits(block.qh);
  for (int i = 0; i < 16; ++i) {
    const int low_element = (block.qs[i] & 15) | static_cast<int>((high >> i & 1) << 4);
    const int high_element = (block.qs[i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    out[i] = static_cast<float>(low_element) * d + m;
    out[i + 16] = static_cast<float>(high_element) * d + m;
  }
}

}  // namespace linnet
