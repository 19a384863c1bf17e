// IQ4_NL: 32 elements, one half-precision scale, x = d * kIq4Values[q]. Layout and decoding of ggml's block_iq4_nl.
#pragma once

#include "quant/block.hpp"

namespace linnet {

// The sixteen values of the "non-linear" four-bit formats (ggml's kvalues_iq4nl).
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

struct BlockIQ4_NL {
  static constexpr int kElements = 32;
  Half d;
  uint8_t qs[16];  // low nibbles: elements 0–15; high nibbles: 16–31
};
static_assert(sizeof(BlockIQ4_NL) == 18);

inline void decode_block(const BlockIQ4_NL& block, float* out) {
  const float d = to_float(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIq4Values[block.qs[i] & 15]);
    out[i + 16] = d * static_cast<float>(kIq4Values[block.qs[i] >> 4]);
  }
}

}  // namespace linnet
