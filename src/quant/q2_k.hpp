// Q2_K: 256 elements in 16 groups of 16, each with a 4-bit scale and minimum, x = d * scale * q - dmin * min.
// Layout and decoding of ggml's block_q2_K.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ2_K {
  static constexpr int kElements = kSuperBlock;
  uint8_t scales[16];  // of each group: scale in the low nibble, minimum in the high one
  uint8_t qs[64];      // each half block (128 elements) in 32 bytes: bits 2s and 2s + 1 of byte j are element 32 s + j
  Half d;
  Half dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

inline void decode_block(const BlockQ2_K& block, float* out) {
  const float d = to_float(block.d);
  const float dmin = to_float(block.dmin);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(block.scales[group] & 15);
    const float min = dmin * static_cast<float>(block.scales[group] >> 4);
    const uint8_t* qs = block.qs + ptrdiff_t{32} * (group / 8) + ptrdiff_t{16} * (group % 2);
    const int shift = group % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) out[group * 16 + i] = scale * static_cast<float>(qs[i] >> shift & 3) - min;
  }
}

}  // namespace linnet
