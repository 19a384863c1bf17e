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

// to (N, K, D) = the sums of from (N, H, D) over the heads that share a key/value head, in order.
void sum_groups(Context& ctx, const Tensor& from, Tensor& to);

// AttentionHead::mask_begin. rows: N.
uint64_t attention_mask_begin(int64_t rows, int64_t head, const Segment& segment);
// What the weights of rows [row, row + count) of a segment on keys [key, key + keys) are multiplied by: (count, keys).
// rows: N.
std::vector<float> attention_mask(const DropoutMask& dropout, int64_t rows, const Segment& segment, int64_t head,
                                  int64_t row, int64_t count, int64_t key, int64_t keys);

// The forward of ops::attention with dropout, into out (N, H, D).
void attention_by_rows(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                       const AttentionParams& params, Tensor& out);

}  // namespace linnet::ops
