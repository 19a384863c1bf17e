// The two layers of a block's MLP while they are taught: forth and back with what lies between them in memory for a few
// rows and columns at a time. Of it only what goes into the activation is kept for the way back.
#pragma once

#include <optional>

#include "nn/linear.hpp"
#include "ops/elementwise.hpp"

namespace linnet {

struct MlpInput {
  const Linear* gate;  // (I, C), or null: then the activation is of up(x) alone
  const Linear* up;    // (I, C)
  const Linear* down;  // (O, I)
  Tensor x;            // (..., C)
};

// down(activation(gate(x)) * up(x)), or down(activation(up(x))), (..., O), in that way. Nothing where that cannot be,
// and the ops one after the other must do: where nobody records, or a layer is not a matrix of floats with one plain
// adapter at most, or there are too few rows. Differentiable in x and all that is taught.
std::optional<Tensor> taught_mlp(Context& ctx, ops::Activation activation, const MlpInput& input);

}  // namespace linnet
