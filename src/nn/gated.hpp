// The MLP of a block: gated linear units (Shazeer 2020, arXiv:2002.05202), and two layers with an activation between.
#pragma once

#include <span>
#include <vector>

#include "nn/linear.hpp"
#include "ops/elementwise.hpp"

namespace linnet {

struct GatedInput {
  const Linear* gate;  // (I, C)
  const Linear* up;    // (I, C)
  const Linear* down;  // (O, I)
  Tensor x;            // (..., C)
};

// down(activation(gate(x)) * up(x)) of each, (..., O): the bits of these ops one after the other, and sooner where
// nothing but packed matrices takes part.
std::vector<Tensor> forward_gated(Context& ctx, ops::Activation activation, std::span<const GatedInput> inputs);

// down(activation(up(x))): (..., C) -> (..., O).
Tensor forward_activated(Context& ctx, ops::Activation activation, const Linear& up, const Linear& down,
                         const Tensor& x);

}  // namespace linnet
