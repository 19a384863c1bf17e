// Q6_K: 256 elements in 16 groups of 16, each with an 8-bit scale, x = d * scale * (q - 32).
// Layout and decoding of ggml's block_q6_K.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ6_K {
  static constexpr int kElements = kSuperBlock;
  uint8_t ql[128];  // low four bits; each half block (128 elements) in 64 bytes, elements 0–63 low nibbles, 64–127 high
  uint8_t qh[64];     // upper two bits; each half block in 32 bytes: bits 2s and 2s + 1 of byte j are element 32 s + j
  int8_t scales[16];  // one per group
  Half d;
};
static_assert(sizeof(BlockQ6_K) == 210);

inline void decode_block(const BlockQ6_K& block, float* out) {
  const float d = to_float(block.d);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(block.scales[group]);
    const int within = group % 8 * 16;  // first element of the group inside its half block
    const uint8_t* ql = block.ql + ptrdiff_t{64} * (group / 8) + within % 64;
    const uint8_t* qh = block.qh + ptrdiff_t{32} * (group / 8) + within % 32;
    const int low_shift = within / 64 * 4;
    const int high_shift = within / 32 * 2;
    for (int i = 0; i < 16; ++i) {
      const int q = (ql[i] >> low_shift & 15) | (qh[i] >> high_shift & 3) << 4;
      out[group * 16 + i] = scale * static_cast<float>(q - 32);
    }
  }
}

}  // namespace linnet
