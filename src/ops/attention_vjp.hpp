// The way back through ops::attention. Flash attention's backward (arXiv:2205.14135): the weights are computed again
// from q and k, a block of rows at a time, and never kept.
#pragma once

#include <span>
#include <vector>

#include "ops/attention.hpp"

namespace linnet::ops {

struct AttentionInputs {
  Tensor q;  // (N, H, D)
  Tensor k;  // (N, K, D)
  Tensor v;  // (N, K, D)
};

// dout: (N, H, D) -> the gradients of q, k, v, params.sinks and params.bias (undefined where there are none; that of
// the bias also where nobody wants it).
std::vector<Tensor> attention_vjp(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                                  const AttentionParams& params, const Tensor& dout);

}  // namespace linnet::ops
