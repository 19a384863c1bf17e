// Encoders that look further than ggml's: into the same formats, for the least squared error of the numbers, counted by
// importance. Candidates lie close together on both signs of the scale, each is judged as the file will hold it (scales
// rounded to their own formats), and codes, scales and minima are refined in turn by least squares. What ggml's encoder
// gives is among the candidates, so the error is never more than its.
//
// Deterministic: sums run in eight lanes in a fixed order.
// Thread safety: pure functions.
#pragma once

#include "quant/encode.hpp"

namespace linnet {

// One block from Block::kElements finite numbers. importance: of as many, finite and at least 0; all 1 where nothing is
// known.
void search_block(const float* x, const float* importance, BlockQ4_0& block);
void search_block(const float* x, const float* importance, BlockQ4_1& block);
void search_block(const float* x, const float* importance, BlockQ5_0& block);
void search_block(const float* x, const float* importance, BlockQ5_1& block);
void search_block(const float* x, const float* importance, BlockQ8_0& block);
void search_block(const float* x, const float* importance, BlockIQ4_NL& block);
void search_block(const float* x, const float* importance, BlockMXFP4& block);
void search_block(const float* x, const float* importance, BlockQ2_K& block);
void search_block(const float* x, const float* importance, BlockQ3_K& block);
void search_block(const float* x, const float* importance, BlockQ4_K& block);
void search_block(const float* x, const float* importance, BlockQ5_K& block);
void search_block(const float* x, const float* importance, BlockQ6_K& block);
void search_block(const float* x, const float* importance, BlockIQ4_XS& block);

}  // namespace linnet
