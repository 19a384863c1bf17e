// From float32 into blocks: for each format, what ggml's ggml_quantize_chunk writes, bit for bit (llama.cpp's
// `llama-quantize` calls it), without an importance matrix and with one. Every number must be finite.
//
// The order of each sum is ggml's: floating-point addition in another order gives other bits.
// Thread safety: pure functions.
#pragma once

#include "quant/iq4_nl.hpp"
#include "quant/iq4_xs.hpp"
#include "quant/mxfp4.hpp"
#include "quant/q2_k.hpp"
#include "quant/q3_k.hpp"
#include "quant/q4_0.hpp"
#include "quant/q4_1.hpp"
#include "quant/q4_k.hpp"
#include "quant/q5_0.hpp"
#include "quant/q5_1.hpp"
#include "quant/q5_k.hpp"
#include "quant/q6_k.hpp"
#include "quant/q8_0.hpp"

namespace linnet {

// One block from Block::kElements numbers.
void encode_block(const float* x, BlockQ4_0& block);
void encode_block(const float* x, BlockQ4_1& block);
void encode_block(const float* x, BlockQ5_0& block);
void encode_block(const float* x, BlockQ5_1& block);
void encode_block(const float* x, BlockQ8_0& block);
void encode_block(const float* x, BlockQ2_K& block);
void encode_block(const float* x, BlockQ3_K& block);
void encode_block(const float* x, BlockQ4_K& block);
void encode_block(const float* x, BlockQ5_K& block);
void encode_block(const float* x, BlockQ6_K& block);
void encode_block(const float* x, BlockIQ4_NL& block);
void encode_block(const float* x, BlockIQ4_XS& block);
void encode_block(const float* x, BlockMXFP4& block);

// Under a given exponent (BlockMXFP4::e).
void encode_block_under(const float* x, uint8_t exponent, BlockMXFP4& block);

// What the error of each number of a block counts.
struct BlockImportance {
  const float* columns;   // Block::kElements numbers, finite and at least 0
  float row_mean_square;  // of all numbers of the block's row
};

// The same with importance.
void encode_block(const float* x, const BlockImportance& importance, BlockQ4_0& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ4_1& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ5_0& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ5_1& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ2_K& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ3_K& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ4_K& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ5_K& block);
void encode_block(const float* x, const BlockImportance& importance, BlockQ6_K& block);
void encode_block(const float* x, const BlockImportance& importance, BlockIQ4_NL& block);
void encode_block(const float* x, const BlockImportance& importance, BlockIQ4_XS& block);
// Q8_0 and MXFP4 have nothing to weigh: one scale, given by the largest number.
inline void encode_block(const float* x, const BlockImportance& /*importance*/, BlockQ8_0& block) {
  encode_block(x, block);
}
inline void encode_block(const float* x, const BlockImportance& /*importance*/, BlockMXFP4& block) {
  encode_block(x, block);
}

}  // namespace linnet
