// MXFP4: 32 elements of E2M1 under one power-of-two scale (OCP Microscaling Formats 1.0, section 5.3), in the two
// layouts that models ship: ggml's block_mxfp4, and the pair of tensors of gpt-oss in safetensors.
// The scale byte 255, NaN in the specification, is 2^128 to ggml and transformers alike. The nibble 8 is -0 to
// transformers and +0 to ggml.
#pragma once

#include "quant/block.hpp"

namespace linnet {

// Twice the sixteen E2M1 values, so that they are integers.
inline constexpr int8_t kE2M1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct BlockMXFP4 {
  static constexpr int kElements = 32;
  uint8_t e;       // x = E2M1 * 2^(e - 127)
  uint8_t qs[16];  // low nibbles: elements 0–15; high nibbles: 16–31
};
static_assert(sizeof(BlockMXFP4) == 17);

// 2^(e - 128): half the scale, for the doubled values. 2^-128 and 2^-127 are subnormal.
inline float half_scale_e8m0(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? uint32_t{0x00200000} << e : static_cast<uint32_t>(e - 1) << 23);
}

inline void decode_block(const BlockMXFP4& block, float* out) {
  const float d = half_scale_e8m0(block.e);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(kE2M1Doubled[block.qs[i] & 15]) * d;
    out[i + 16] = static_cast<float>(kE2M1Doubled[block.qs[i] >> 4]) * d;
  }
}

// gpt-oss: NAME_blocks (U8, ..., groups, 16) and NAME_scales (U8, ..., groups). Byte i of a group holds elements 2 i
// (low nibble) and 2 i + 1 (high nibble). Writes groups * 32 floats in the order of `blocks`: with blocks (E, R, G, 16)
// that is (E, R, 32 G), of which transformers' convert_moe_packed_tensors then swaps the last two dimensions.
void decode_mxfp4_safetensors(const std::byte* blocks, const std::byte* scales, float* out, int64_t groups);
// The same groups as BlockMXFP4, into groups * sizeof(BlockMXFP4) bytes: nothing is rounded, but see the nibble 8
// above.
void join_mxfp4_safetensors(const std::byte* blocks, const std::byte* scales, std::byte* out, int64_t groups);
inline constexpr int64_t kMxfp4NibbleBytes = 16;  // of a group

}  // namespace linnet
