// The MLP of a block: gated linear units (Shazeer 2020, arXiv:2002.05202), or two layers with an activation between.
#pragma once

#include <span>
#include <vector>

#include "nn/linear.hpp"
#include "ops/activation.hpp"

namespace linnet {

struct MlpInput {
  const Linear* gate;  // (I, C), or null: then the activation is of up(x) alone
  const Linear* up;    // (I, C)
  const Linear* down;  // (O, I)
  Tensor x;            // (..., C)
};

// down(activation(gate(x)) * up(x)), or down(activation(up(x))), of each, (..., O): the bits of these ops one after the
// other, and sooner where nothing but packed matrices takes part.
std::vector<Tensor> forward_mlps(Context& ctx, ops::Activation activation, std::span<const MlpInput> inputs);

}  // namespace linnet
