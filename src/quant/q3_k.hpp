// Q3_K: 256 elements in 16 groups of 16, each with a 6-bit scale, x = d * (scale - 32) * (q - 4).
// Layout and decoding of ggml's block_q3_K.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ3_K {
  static constexpr int kElements = kSuperBlock;
  uint8_t hmask[32];   // bit b of byte j: the third bit of element 32 b + j
  uint8_t qs[64];      // the low two bits, laid out as in Q2_K
  uint8_t scales[12];  // see unpack_q3_scale
  Half d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// Scale of a group, 0 to 63: its low four bits are a nibble of bytes 0–7 (low nibbles groups 0–7, high ones 8–15), its
// upper two are bits 2 (group / 4) of byte 8 + group % 4.
inline int unpack_q3_scale(const uint8_t* packed, int group) {
  const int low = packed[group % 8] >> (group / 8 * 4) & 15;
  const int high = packed[8 + group % 4] >> (group / 4 * 2) & 3;
  return low | high << 4;
}

inline void decode_block(const BlockQ3_K& block, float* out) {
  const float d = to_float(block.d);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(unpack_q3_scale(block.scales, group) - 32);
    const uint8_t* qs = block.qs + ptrdiff_t{32} * (group / 8) + ptrdiff_t{16} * (group % 2);
    const uint8_t* hmask = block.hmask + ptrdiff_t{16} * (group % 2);
    const int shift = group % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) {
      const int q = (qs[i] >> shift & 3) | (hmask[i] >> (group / 2) & 1) << 2;
      out[group * 16 + i] = scale * static_cast<float>(q - 4);
    }
  }
}

}  // namespace linnet
