// Which experts of a mixture see a token, and with what weight.
#pragma once

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

}  // namespace linnet::ops
