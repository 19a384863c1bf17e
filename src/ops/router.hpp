// Which experts of a mixture see a token, and with what weight.
#pragma once

#include <span>
#include <vector>

#include "ops/context.hpp"

namespace linnet::ops {

enum class RouterWeights : uint8_t {
  kSoftmaxThenTop,        // softmax over all experts, the top k as they are (Qwen3-MoE without norm_topk_prob)
  kSoftmaxThenTopScaled,  // the same, scaled to sum to 1 (Mixtral, Qwen3-MoE)
  kTopThenSoftmax,        // softmax over the top k's logits alone (gpt-oss)
};

struct Routing {
  std::vector<int32_t> experts;  // (N, k), the best first
  Tensor weights;                // (N, k), differentiable in the logits
};

// logits: (N, E). Ties go to the lower expert. Requires 1 <= k <= E.
Routing route(Context& ctx, const Tensor& logits, int64_t k, RouterWeights mode);

// y (N, C) with what one expert made added to it, in the memory of y, which nothing may read any more. x: (M, C); its
// row i, times number picks[i] of weights (N, k), is added to row picks[i] / k of y, each of which has one row of x at
// most. Differentiable in y, x and weights; requires an op before y whose vjp does not need it.
Tensor add_expert(Context& ctx, Tensor y, const Tensor& x, std::span<const int32_t> picks, const Tensor& weights);

}  // namespace linnet::ops
