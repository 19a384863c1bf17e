// Q5_0: 32 elements, one half-precision scale, x = d * (q - 16). Layout and decoding of ggml's block_q5_0.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ5_0 {
  static constexpr int kElements = 32;
  Half d;
  uint8_t qh[4];   // bit i of this little-endian number: the fifth bit of element i
  uint8_t qs[16];  // low nibbles: elements 0–15; high nibbles: 16–31
};
static_assert(sizeof(BlockQ5_0) == 22);

// The fifth bits as one number.
inline uint32_t fifth_bits(const uint8_t (&qh)[4]) {
  return std::bit_cast<uint32_t>(qh);
}

inline void decode_block(const BlockQ5_0& block, float* out) {
  const float d = to_float(block.d);
  const uint32_t high = fifth_bits(block.qh);
  for (int i = 0; i < 16; ++i) {
    const int low_element = (block.qs[i] & 15) | static_cast<int>((high >> i & 1) << 4);
    const int high_element = (block.qs[i] >> 4) | static_cast<int>((high >> (i + 16) & 1) << 4);
    out[i] = static_cast<float>(low_element - 16) * d;
    out[i + 16] = static_cast<float>(high_element - 16) * d;
  }
}

}  // namespace linnet
