#include "ops/attention_heads.hpp"

#include <algorithm>
#include <cmath>

#include "ops/attention_rows.hpp"
#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

// Calls visit(task, workspace) for every head of every segment, which come segment by segment.
template <class Visit>
void each_head(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments, const Visit& visit) {
  const int64_t heads = in.q.dim(1);
  const int64_t dim = in.q.dim(2);
  int64_t most_rows = 0;
  for (const Segment& segment : segments) most_rows = std::max(most_rows, segment.rows);
  const int64_t bytes = ctx.kernels().attention_head_workspace(most_rows, dim);
  Tensor workspace = ctx.empty(DType::kU8, {ctx.pool().size(), bytes});
  if (ctx.meta()) return;
  const int64_t tasks = heads * static_cast<int64_t>(segments.size());
  ctx.pool().parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t task = begin; task < end; ++task) visit(task, workspace.raw() + thread * bytes);
  });
}

AttentionHead head_of(const AttentionInputs& in, const Segment& segment, const AttentionParams& params, int64_t head) {
  const int64_t dim = in.q.dim(2);
  const int64_t kv_stride = in.k.dim(1) * dim;
  const int64_t kv_at = segment.row_begin * kv_stride + head / (in.q.dim(1) / in.k.dim(1)) * dim;
  return {.rows = segment.rows,
          .dim = dim,
          .q = in.q.data<float>() + (segment.row_begin * in.q.dim(1) + head) * dim,
          .k = in.k.data<float>() + kv_at,
          .v = in.v.data<float>() + kv_at,
          .q_stride = in.q.dim(1) * dim,
          .kv_stride = kv_stride,
          .scale = params.scale,
          .window = params.window,
          .causal = params.causal,
          .sink = params.sinks.defined() ? params.sinks.data<float>()[head] : -INFINITY,
          .dropout = params.dropout,
          .mask_begin = attention_mask_begin(in.q.dim(0), head, segment)};
}

// Rows that belong to no segment have no gradient.
Tensor grad_like(Context& ctx, const Tensor& tensor, bool whole) {
  return whole ? ctx.empty(tensor.shape()) : ctx.zeros(tensor.shape());
}

}  // namespace

bool goes_by_heads(const Context& ctx, const AttentionInputs& in, const AttentionParams& params) {
  return ctx.float_products().attention_heads.forth && !params.bias.defined() && params.softcap <= 0 &&
         params.scale > 0 && in.q.dim(2) <= kMostHeadDim;
}

AttentionKept attention_by_heads(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                                 const AttentionParams& params) {
  AttentionKept kept{ctx.empty(in.q.shape()), ctx.empty({in.q.dim(1), in.q.dim(0)})};
  const int64_t heads = in.q.dim(1);
  each_head(ctx, in, segments, [&](int64_t task, std::byte* workspace) {
    const Segment& segment = segments[static_cast<size_t>(task / heads)];
    const int64_t head = task % heads;
    const AttentionHead inputs = head_of(in, segment, params, head);
    ctx.float_products().attention_heads.forth(
        {.head = inputs,
         .out = kept.out.data<float>() + (inputs.q - in.q.data<float>()),
         .log_sums = kept.log_sums.data<float>() + head * in.q.dim(0) + segment.row_begin},
        workspace);
  });
  return kept;
}

std::vector<Tensor> attention_by_heads_vjp(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                                           const AttentionParams& params, const AttentionKept& kept,
                                           const Tensor& dout) {
  const OpTimer timer(ctx, "attention back");
  const int64_t heads = in.q.dim(1);
  const auto count = static_cast<int64_t>(segments.size());
  int64_t rows = 0;
  for (const Segment& segment : segments) rows += segment.rows;
  const bool whole = rows == in.q.dim(0);
  Tensor dq = grad_like(ctx, in.q, whole);
  Tensor dk = grad_like(ctx, in.k, whole);
  Tensor dv = grad_like(ctx, in.v, whole);
  // Each head of queries has dk and dv of its own, so that as many threads find work as there are heads.
  const bool grouped = in.k.dim(1) < heads;
  Tensor dk_of_heads = grouped ? grad_like(ctx, in.q, whole) : dk;
  Tensor dv_of_heads = grouped ? grad_like(ctx, in.q, whole) : dv;
  std::vector<float> dsinks(params.sinks.defined() ? static_cast<size_t>(count * heads) : 0);
  each_head(ctx, in, segments, [&](int64_t task, std::byte* workspace) {
    const Segment& segment = segments[static_cast<size_t>(task / heads)];
    const int64_t head = task % heads;
    const AttentionHead inputs = head_of(in, segment, params, head);
    const int64_t at = inputs.q - in.q.data<float>();
    ctx.float_products().attention_heads.back(
        {.head = inputs,
         .out = kept.out.data<float>() + at,
         .log_sums = kept.log_sums.data<float>() + head * in.q.dim(0) + segment.row_begin,
         .dout = dout.data<float>() + at,
         .dq = dq.data<float>() + at,
         .dk = dk_of_heads.data<float>() + at,
         .dv = dv_of_heads.data<float>() + at,
         .dk_stride = inputs.q_stride,
         .dsink = dsinks.empty() ? nullptr : &dsinks[static_cast<size_t>(task)]},
        workspace);
  });
  if (grouped && !ctx.meta()) {
    sum_groups(ctx, dk_of_heads, dk);
    sum_groups(ctx, dv_of_heads, dv);
  }
  Tensor dsink = params.sinks.defined() ? ctx.zeros(params.sinks.shape()) : Tensor();
  for (size_t i = 0; i < dsinks.size() && !ctx.meta(); ++i) {
    dsink.data<float>()[static_cast<int64_t>(i) % heads] += dsinks[i];
  }
  return {dq, dk, dv, dsink, Tensor()};
}

}  // namespace linnet::ops
