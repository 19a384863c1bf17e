// Q5_K: 256 elements in 8 groups of 32, each with a 6-bit scale and minimum, x = d * scale * q - dmin * min.
// Layout and decoding of ggml's block_q5_K.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ5_K {
  static constexpr int kElements = kSuperBlock;
  Half d;
  Half dmin;
  uint8_t scales[12];  // see unpack_scale_min
  uint8_t qh[32];      // bit g of byte i: the fifth bit of element i of group g
  uint8_t qs[128];     // 32 bytes per pair of groups: low nibbles the even group, high nibbles the odd one
};
static_assert(sizeof(BlockQ5_K) == 176);

inline void decode_block(const BlockQ5_K& block, float* out) {
  const float d = to_float(block.d);
  const float dmin = to_float(block.dmin);
  for (int group = 0; group < 8; ++group) {
    const ScaleMin pair = unpack_scale_min(block.scales, group);
    const float scale = d * static_cast<float>(pair.scale);
    const float min = dmin * static_cast<float>(pair.min);
    const uint8_t* qs = block.qs + ptrdiff_t{32} * (group / 2);
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int q = (qs[i] >> shift & 15) | (block.qh[i] >> group & 1) << 4;
      out[group * 32 + i] = scale * static_cast<float>(q) - min;
    }
  }
}

}  // namespace linnet
