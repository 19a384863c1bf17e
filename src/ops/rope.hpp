// Rotary position embedding (Su et al. 2021, arXiv:2104.09864), in Hugging Face's order: dimension i turns with
// dimension i + R/2, where R <= D is the number of rotated dimensions.
#pragma once

#include "ops/context.hpp"

namespace linnet::ops {

// x: (N, H, D); cos, sin: (N, R/2), one row per token -> (N, H, D). Dimensions from R on pass through.
Tensor rope(Context& ctx, const Tensor& x, const Tensor& cos, const Tensor& sin);

}  // namespace linnet::ops
