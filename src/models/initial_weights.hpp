// A model before its first step: random weights, a pure function of the config and the seed.
#pragma once

#include <cstdint>
#include <vector>

#include "models/transformer.hpp"

namespace linnet {

// Matrices are normal with a deviation of 0.02, those that add to the residual stream 0.02 / sqrt(2 L) (Radford et al.
// 2019, section 2.3); norms are the identity, biases zero. Each tensor has a stream of random numbers of its own.
// Errors: as Transformer::load's.
Result<Transformer> initial_transformer(const TransformerConfig& config, const std::vector<TensorSpec>& table,
                                        uint64_t seed);

}  // namespace linnet
