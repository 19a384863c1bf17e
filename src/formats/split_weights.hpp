// Weights that a checkpoint keeps in several tensors: FP8 numbers beside their scales, MXFP4 nibbles beside theirs.
// Each becomes one StoredTensor, so that whoever loads a model never sees the parts. Thread safety: pure functions.
#pragma once

#include <vector>

#include "formats/hugging_face.hpp"
#include "formats/stored_tensor.hpp"

namespace linnet {

// Ties every NAME_scale_inv or NAME_scale to the FP8 tensor NAME and removes it from the list, and the scale of its
// activations (NAME without ".weight", with ".input_scale") with it. A scale may be one number, one a matrix of stacked
// ones, one a row, or one a block of `quantisation`.
// Errors: a scale whose shape does not fit its weight or that is no float; an FP8 weight without a scale where the
// config says that the weights have some.
Status attach_fp8_scales(std::vector<StoredTensor>& tensors, const QuantisationConfig& quantisation = {});

// gpt-oss: NAME_blocks (U8, ..., groups, 16) and NAME_scales (U8, ..., groups) become NAME, MXFP4 (..., groups * 32).
// Nothing is copied. Errors: one of the two is missing, their shapes disagree.
Status join_mxfp4(std::vector<StoredTensor>& tensors);

}  // namespace linnet
