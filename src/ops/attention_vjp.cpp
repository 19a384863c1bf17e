#include "ops/attention_vjp.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "ops/attention_rows.hpp"
#include "ops/elementwise.hpp"
#include "ops/kernel_table.hpp"
#include "ops/linear.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

// With p = softmax(s), s = cap(scale * q·k + bias), out = Σ p v:
//   dv = p dout,  dp = dout·v,  ds = p * (dp - Σ p dp),  then through the cap and the dot product.
struct Gradients {
  Tensor dq, dk, dv, dsinks, dbias;
};

// The gradients of a row's products q·k, in place of those of its weights. p: its weights; mask: their dropout, or
// null; dbias: where those of its scores are added, or null. Returns Σ p dp.
float through_softmax(const SoftmaxRow& row, const float* p, const float* mask, int64_t n, float* dp, float* dbias) {
  if (mask) {
    for (int64_t j = 0; j < n; ++j) dp[j] *= mask[j];
  }
  const bool plain = row.slopes.empty() && !dbias;
  const float mean = softmax_vjp(row.kernels, p, n, plain ? row.params.scale : 1, dp);
  for (size_t j = 0; j < row.slopes.size(); ++j) dp[j] *= row.slopes[j];
  for (int64_t j = 0; dbias && j < n; ++j) dbias[j] += dp[j];
  for (int64_t j = 0; !plain && j < n; ++j) dp[j] *= row.params.scale;
  return mean;
}

constexpr int64_t kRowsAtOnce = 128;  // of queries

// On the meta device: what the products of HeadGrad::block take, on every thread at once.
void take_workspaces(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments) {
  if (!ctx.kernels().f32) return;
  for (const Segment& segment : segments) {
    for (int64_t end = std::min(kRowsAtOnce, segment.rows);; end = std::min(end + kRowsAtOnce, segment.rows)) {
      std::vector<Tensor> taken;
      for (int thread = 0; thread < ctx.pool().size(); ++thread) {
        const MatmulCall largest{.m = end, .n = in.q.dim(2), .k = kRowsAtOnce};
        const int64_t bytes = ctx.kernels().matmul_workspace(ctx.pool().size(), {&largest, 1});
        taken.push_back(ctx.empty(DType::kU8, {bytes}));
      }
      if (end == segment.rows) break;
    }
  }
}

// One head of queries of one segment. Of grads it writes that head's dq, and in dk and dv, which are (N, H, D) here,
// its share of the gradients of the keys and values that it sees.
class HeadGrad {
 public:
  HeadGrad(Context& ctx, const AttentionInputs& in, const AttentionParams& params, const Tensor& dout,
           const Segment& segment, int64_t head, Gradients& grads, float* dsinks, Tensor dbias)
      : ctx_(ctx),
        in_(in),
        params_(params),
        dout_(dout),
        segment_(segment),
        head_(head),
        dim_(in.q.dim(2)),
        grads_(grads),
        dsinks_(dsinks),
        dbias_(std::move(dbias)),
        k_(rows_of_head(in.k, kv_head(), segment.row_begin, segment.rows)),
        v_(rows_of_head(in.v, kv_head(), segment.row_begin, segment.rows)),
        dk_(k_.size()),
        dv_(v_.size()),
        p_(numbers_of(segment)),
        ds_(numbers_of(segment)) {}

  void run() {
    for (int64_t row = 0; row < segment_.rows; row += kRowsAtOnce) {
      block(row, std::min(row + kRowsAtOnce, segment_.rows));
    }
    scatter_add(dk_, segment_.row_begin, segment_.rows, head_, grads_.dk);
    scatter_add(dv_, segment_.row_begin, segment_.rows, head_, grads_.dv);
  }

 private:
  using Numbers = std::unique_ptr<float[]>;
  // Of a block of rows, for every key.
  static Numbers numbers_of(const Segment& segment) {
    return std::make_unique_for_overwrite<float[]>(static_cast<size_t>(kRowsAtOnce * segment.rows));
  }

  int64_t kv_head() const { return head_ / (in_.q.dim(1) / in_.k.dim(1)); }

  // Rows [begin, end) of the segment, and the keys [first, last) that one of them sees.
  void block(int64_t begin, int64_t end) {
    const int64_t rows = end - begin;
    const int64_t first = first_visible_key(params_, begin);
    const int64_t keys = (params_.causal ? end : segment_.rows) - first;
    const std::vector<float> q = rows_of_head(in_.q, head_, segment_.row_begin + begin, rows);
    const std::vector<float> dout = rows_of_head(dout_, head_, segment_.row_begin + begin, rows);
    const float* k = k_.data() + first * dim_;
    const float* v = v_.data() + first * dim_;
    multiply(ctx_, {.m = rows, .n = keys, .k = dim_, .a = q.data(), .b = k, .b_transposed = true, .c = p_.get()});
    multiply(ctx_, {.m = rows, .n = keys, .k = dim_, .a = dout.data(), .b = v, .b_transposed = true, .c = ds_.get()});
    soften(begin, end, first, keys, p_.get(), ds_.get());
    std::vector<float> dq(static_cast<size_t>(rows * dim_));
    multiply(ctx_, {.m = rows, .n = dim_, .k = keys, .a = ds_.get(), .b = k, .c = dq.data()});
    scatter_add(dq, segment_.row_begin + begin, rows, head_, grads_.dq);
    multiply(ctx_, {.m = keys,
                    .n = dim_,
                    .k = rows,
                    .a = ds_.get(),
                    .a_transposed = true,
                    .b = q.data(),
                    .c = dk_.data() + first * dim_,
                    .add = true});
    multiply(ctx_, {.m = keys,
                    .n = dim_,
                    .k = rows,
                    .a = p_.get(),
                    .a_transposed = true,
                    .b = dout.data(),
                    .c = dv_.data() + first * dim_,
                    .add = true});
  }

  // Scores and dp (rows, keys) to weights and gradients of scores, both zero where a row does not see a key.
  void soften(int64_t begin, int64_t end, int64_t first, int64_t keys, float* p, float* ds) {
    SoftmaxRow row{params_, ctx_.kernels(), dsinks_ ? params_.sinks.data<float>()[head_] : -INFINITY, {}};
    std::vector<float> mask;
    if (params_.dropout.drops()) {
      mask = attention_mask(params_.dropout, in_.q.dim(0), segment_, head_, begin, end - begin, first, keys);
    }
    for (int64_t r = begin; r < end; ++r, p += keys, ds += keys) {
      const int64_t from = first_visible_key(params_, r) - first;
      const int64_t to = (params_.causal ? r + 1 : segment_.rows) - first;
      const float* bias = params_.bias.defined() ? bias_of(params_.bias, head_, r) + first + from : nullptr;
      const float sink_weight = row.run(p + from, to - from, bias);
      const float* drop = mask.empty() ? nullptr : mask.data() + (r - begin) * keys + from;
      float* dbias = dbias_.defined() ? dbias_.data<float>() + (bias - params_.bias.data<float>()) : nullptr;
      const float mean = through_softmax(row, p + from, drop, to - from, ds + from, dbias);
      for (int64_t j = from; drop && j < to; ++j) p[j] *= drop[j - from];
      if (dsinks_) dsinks_[head_] -= sink_weight * mean;
      for (float* numbers : {p, ds}) {
        std::fill(numbers, numbers + from, 0.0f);
        std::fill(numbers + to, numbers + keys, 0.0f);
      }
    }
  }

  Context& ctx_;
  const AttentionInputs& in_;
  const AttentionParams& params_;
  const Tensor& dout_;
  const Segment& segment_;
  int64_t head_;
  int64_t dim_;
  Gradients& grads_;
  float* dsinks_;         // (H), or null
  Tensor dbias_;          // as params.bias, or undefined
  std::vector<float> k_;  // (segment rows, D), as the following
  std::vector<float> v_;
  std::vector<float> dk_;
  std::vector<float> dv_;
  Numbers p_;   // (rows of a block, keys): the scores, then the weights
  Numbers ds_;  // (rows of a block, keys): dp, then the gradients of the scores
};

}  // namespace

std::vector<Tensor> attention_vjp(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                                  const AttentionParams& params, const Tensor& dout) {
  const OpTimer timer(ctx, "attention back");
  Gradients grads{ctx.zeros(in.q.shape()), ctx.zeros(in.k.shape()), ctx.zeros(in.v.shape()),
                  params.sinks.defined() ? ctx.zeros(params.sinks.shape()) : Tensor(),
                  wants_grad(params.bias) ? ctx.zeros(params.bias.shape()) : Tensor()};
  const int64_t heads = in.q.dim(1);
  const bool grouped = in.k.dim(1) < heads;
  // Each head of queries has dk and dv of its own, so that as many threads find work as there are heads.
  Gradients of_heads = grads;
  if (grouped) {
    of_heads.dk = ctx.zeros(in.q.shape());
    of_heads.dv = ctx.zeros(in.q.shape());
  }
  const auto count = static_cast<int64_t>(segments.size());
  std::vector<Tensor> dbias(segments.size());  // of each segment
  if (grads.dbias.defined()) {
    for (Tensor& one : dbias) one = ctx.zeros(params.bias.shape());
  }
  if (ctx.meta()) {
    take_workspaces(ctx, in, segments);
    return {grads.dq, grads.dk, grads.dv, grads.dsinks, grads.dbias};
  }
  int64_t work = 1;
  for (const Segment& segment : segments) work += segment.rows * segment.rows * heads * in.q.dim(2);
  std::vector<float> dsinks(grads.dsinks.defined() ? static_cast<size_t>(count * heads) : 0);
  const int64_t tasks = heads * count;
  ctx.for_rows(tasks, work / std::max<int64_t>(tasks, 1), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t s = task / heads;
      float* sinks = dsinks.empty() ? nullptr : dsinks.data() + s * heads;
      const auto at = static_cast<size_t>(s);
      HeadGrad(ctx, in, params, dout, segments[at], task % heads, of_heads, sinks, dbias[at]).run();
    }
  });
  if (grouped) {
    sum_groups(ctx, of_heads.dk, grads.dk);
    sum_groups(ctx, of_heads.dv, grads.dv);
  }
  for (size_t i = 0; i < dsinks.size(); ++i) {
    grads.dsinks.data<float>()[static_cast<int64_t>(i) % heads] += dsinks[i];
  }
  if (grads.dbias.defined()) {
    for (const Tensor& one : dbias) {
      for (int64_t i = 0; i < one.elements(); ++i) grads.dbias.data<float>()[i] += one.data<float>()[i];
    }
  }
  return {grads.dq, grads.dk, grads.dv, grads.dsinks, grads.dbias};
}

}  // namespace linnet::ops
