// Texts as vectors. Thread safety: pure functions.
#pragma once

#include <span>
#include <vector>

#include "models/transformer.hpp"
#include "ops/pool.hpp"

namespace linnet {

// Texts as tokens, special ones included -> (S, C): the pooled last hidden states of each; of length 1 where
// `unit`. Differentiable. Errors: as Transformer::forward; an empty text.
Result<Tensor> text_vectors(Context& ctx, const Transformer& encoder, std::span<const std::vector<int32_t>> texts,
                            ops::Pooling pooling, bool unit);

}  // namespace linnet
