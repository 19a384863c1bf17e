// Q8_0: 32 elements, one half-precision scale, x = d * q. Layout and decoding of ggml's block_q8_0.
#pragma once

#include "quant/block.hpp"

namespace linnet {

struct BlockQ8_0 {
  static constexpr int kElements = 32;
  Half d;
  int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

inline void decode_block(const BlockQ8_0& block, float* out) {
  const float d = to_float(block.d);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(block.qs[i]) * d;
}

}  // namespace linnet
