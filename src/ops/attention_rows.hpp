// Attention with a block of rows' scores in memory: what the way back, and dropout, are made of. Internal to ops/.
#pragma once

#include <span>
#include <vector>

#include "ops/attention_vjp.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

// The softmax of a row's scores, with cap and sink.
struct SoftmaxRow {
  const AttentionParams& params;
  const KernelTable& kernels;
  float sink;                 // -infinity where there is none
  std::vector<float> slopes;  // of the cap at each score; empty without one

  // scores: q · k of the keys that the row sees, which become their weights. bias: of the first of them, or null.
  // Returns the sink's weight.
  float run(float* scores, int64_t n, const float* bias);
};

// Rows [begin, begin + count) of one head of a tensor (N, heads, D), contiguous.
std::vector<float> rows_of_head(const Tensor& tensor, int64_t head, int64_t begin, int64_t count);
// Adds such rows to where they belong.
void scatter_add(const std::vector<float>& rows, int64_t begin, int64_t count, int64_t head, Tensor& to);

// What the weights of row `row` of q (N, H, D) on keys [first, first + n) of its segment are multiplied by; lies in
// `room`, of at least n + kDropoutGroup numbers.
const float* attention_mask(const DropoutMask& dropout, const Tensor& q, int64_t row, int64_t head, int64_t first,
                            int64_t n, std::vector<float>& room);

// The forward of ops::attention with dropout, into out (N, H, D).
void attention_by_rows(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                       const AttentionParams& params, Tensor& out);

}  // namespace linnet::ops
