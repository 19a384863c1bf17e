// Learning to tell texts apart: each text's partner among others' (InfoNCE with negatives from the batch; van den Oord
// et al. 2018, arXiv:1807.03748; for sentences Henderson et al. 2017, arXiv:1705.00652). Thread safety: pure functions.
#pragma once

#include <span>

#include "ops/context.hpp"

namespace linnet {

// queries: (Q, C), candidates: (M, C), unit rows; targets: Q rows of candidates -> (1): the mean over queries of
// -log softmax(queries · candidatesᵀ / temperature)[target].
Tensor contrastive_loss(Context& ctx, const Tensor& queries, const Tensor& candidates, std::span<const int32_t> targets,
                        float temperature);

}  // namespace linnet
