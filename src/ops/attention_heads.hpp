// ops::attention head by head on the kernels of teaching. Internal to ops/.
#pragma once

#include <span>
#include <vector>

#include "ops/attention_vjp.hpp"

namespace linnet::ops {

// Whether the context has kernels for attention as it is asked for here.
bool goes_by_heads(const Context& ctx, const AttentionInputs& in, const AttentionParams& params);

// What the way back needs of the forward, besides its inputs.
struct AttentionKept {
  Tensor out;       // (N, H, D)
  Tensor log_sums;  // (H, N): of the e^scores of a row
};

AttentionKept attention_by_heads(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                                 const AttentionParams& params);
// As attention_vjp().
std::vector<Tensor> attention_by_heads_vjp(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                                           const AttentionParams& params, const AttentionKept& kept,
                                           const Tensor& dout);

}  // namespace linnet::ops
