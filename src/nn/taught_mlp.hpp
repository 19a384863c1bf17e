// The two layers of a block's MLP while they are taught: forth and back with what lies between them in memory for a few
// rows and columns at a time. Of it only what goes into the activation is kept for the way back.
#pragma once

#include <optional>

#include "nn/mlp.hpp"

namespace linnet {

// down(activation(gate(x)) * up(x)), or down(activation(up(x))), (..., O), in that way. Nothing where that cannot be,
// and the ops one after the other must do: where nobody records, or a layer is not a matrix of floats with one plain
// adapter at most, or there are too few rows. Differentiable in x and all that is taught.
std::optional<Tensor> taught_mlp(Context& ctx, ops::Activation activation, const MlpInput& input);

}  // namespace linnet
