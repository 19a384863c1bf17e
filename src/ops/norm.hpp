// RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467) and LayerNorm (Ba et al. 2016, arXiv:1607.06450) over the last
// dimension.
#pragma once

#include "ops/context.hpp"

namespace linnet::ops {

// x: (..., C), weight: (C) -> (..., C) = x / sqrt(mean(x²) + eps) * (weight + weight_offset).
// Gemma stores weight - 1: its offset is 1.
Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& weight, float eps, float weight_offset = 0);

// x: (..., C), weight: (C), bias: (C) or undefined -> (..., C) = (x - mean) / sqrt(var + eps) * weight + bias.
Tensor layer_norm(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& bias, float eps);

}  // namespace linnet::ops
