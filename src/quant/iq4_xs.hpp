// IQ4_XS: 256 elements in 8 groups of 32, each with a 6-bit scale, x = d * (scale - 32) * kIq4Values[q].
// Layout and decoding of ggml's block_iq4_xs.
#pragma once

#include "quant/block.hpp"
#include "quant/iq4_nl.hpp"

namespace linnet {

struct BlockIQ4_XS {
  static constexpr int kElements = kSuperBlock;
  Half d;
  uint16_t scales_h;    // bits 2g and 2g + 1: the upper bits of group g's scale
  uint8_t scales_l[4];  // the low four bits: even groups in low nibbles, odd ones in high
  uint8_t qs[128];      // 16 bytes per group: low nibbles elements 0–15, high nibbles 16–31
};
static_assert(sizeof(BlockIQ4_XS) == 136);

inline void decode_block(const BlockIQ4_XS& block, float* out) {
  const float d = to_float(block.d);
  for (int group = 0; group < 8; ++group) {
    const int low = block.scales_l[group / 2] >> (group % 2 * 4) & 15;
    const int high = block.scales_h >> (group * 2) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* qs = block.qs + ptrdiff_t{16} * group;
    for (int i = 0; i < 16; ++i) {
      out[group * 32 + i] = scale * static_cast<float>(kIq4Values[qs[i] & 15]);
      out[group * 32 + i + 16] = scale * static_cast<float>(kIq4Values[qs[i] >> 4]);
    }
  }
}

}  // namespace linnet
