#include "ops/attention.hpp"

#include <algorithm>
#include <cmath>

#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

int64_t first_visible_key(const AttentionParams& params, int64_t position) {
  return params.window > 0 ? std::max<int64_t>(0, position - params.window + 1) : 0;
}

namespace {

float number_at(const std::byte* base, DType dtype, int64_t i) {
  return dtype == DType::kF16 ? to_float(reinterpret_cast<const Half*>(base)[i])
                              : reinterpret_cast<const float*>(base)[i];
}

float capped(float score, float cap) {
  return cap > 0 ? cap * std::tanh(score / cap) : score;
}

// Where a number of one key/value head lies in its block.
struct HeadLayout {
  int64_t at;
  int64_t per_position;
  int64_t per_dim;
  int64_t of(int64_t position, int64_t d) const { return at + position * per_position + d * per_dim; }
};
HeadLayout key_layout(const AttentionSpan& span, const AttentionShape& shape, int64_t kv_head) {
  const int64_t dim = shape.head_dim;
  if (span.by_head) return {kv_head * dim * kBlockTokens, 1, kBlockTokens};
  return {kv_head * dim, shape.kv_heads * dim, 1};
}
HeadLayout value_layout(const AttentionSpan& span, const AttentionShape& shape, int64_t kv_head) {
  const int64_t dim = shape.head_dim;
  if (span.by_head) return {kv_head * dim * kBlockTokens, dim, 1};
  return key_layout(span, shape, kv_head);
}

// One row and head. State of the online softmax: the highest score so far, the sum of exp(score - highest), and the
// values weighted alike.
void attend_row(const float* q, const AttentionSpan& span, const AttentionShape& shape, const AttentionParams& params,
                int64_t head, int64_t position, float* out) {
  const int64_t dim = shape.head_dim;
  const int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const HeadLayout key_at = key_layout(span, shape, kv_head);
  const HeadLayout value_at = value_layout(span, shape, kv_head);
  const int64_t first = first_visible_key(params, position);
  const int64_t last = params.causal ? position + 1 : span.keys;
  float highest = params.sinks.defined() ? params.sinks.data<float>()[head] : -INFINITY;
  float sum = params.sinks.defined() ? 1.0f : 0.0f;
  std::fill(out, out + dim, 0.0f);
  for (int64_t block = first / kBlockTokens; block * kBlockTokens < last; ++block) {
    const int64_t begin = std::max(first, block * kBlockTokens);
    const int64_t end = std::min(last, (block + 1) * kBlockTokens);
    const std::byte* keys = span.key_blocks[static_cast<size_t>(block)];
    const std::byte* values = span.value_blocks[static_cast<size_t>(block)];
    float scores[kBlockTokens];
    float block_highest = highest;
    for (int64_t j = begin; j < end; ++j) {
      const int64_t at = j - block * kBlockTokens;
      float dot = 0;
      for (int64_t d = 0; d < dim; ++d) dot += q[d] * number_at(keys, span.dtype, key_at.of(at, d));
      scores[j - begin] = capped(dot * params.scale, params.softcap);
      block_highest = std::max(block_highest, scores[j - begin]);
    }
    const float rescale = std::exp(highest - block_highest);
    highest = block_highest;
    sum *= rescale;
    for (int64_t d = 0; d < dim; ++d) out[d] *= rescale;
    for (int64_t j = begin; j < end; ++j) {
      const int64_t at = j - block * kBlockTokens;
      const float weight = std::exp(scores[j - begin] - highest);
      sum += weight;
      for (int64_t d = 0; d < dim; ++d) out[d] += weight * number_at(values, span.dtype, value_at.of(at, d));
    }
  }
  for (int64_t d = 0; d < dim; ++d) out[d] /= sum;
}

void attention_reference(const float* q, const AttentionSpan& span, const AttentionShape& shape,
                         const AttentionParams& params, int64_t kv_head, int64_t begin, int64_t end, float* out) {
  const int64_t group = shape.heads / shape.kv_heads;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      const int64_t at = ((span.row_begin + r) * shape.heads + head) * shape.head_dim;
      attend_row(q + at, span, shape, params, head, span.position + r, out + at);
    }
  }
}

void run_spans(Context& ctx, const Tensor& q, std::span<const AttentionSpan> spans, const AttentionShape& shape,
               const AttentionParams& params, Tensor& out) {
  // Units of work: the heads of one key/value head and at most this many rows, so that a long prefill spreads over the
  // pool.
  constexpr int64_t kRowsPerUnit = 32;
  struct Unit {
    const AttentionSpan* span;
    int64_t kv_head;
    int64_t begin;
  };
  std::vector<Unit> units;
  int64_t work = 0;
  for (const AttentionSpan& span : spans) {
    for (int64_t begin = 0; begin < span.rows; begin += kRowsPerUnit) {
      for (int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) units.push_back({&span, kv_head, begin});
    }
    work += span.rows * span.keys;
  }
  const auto kernel = ctx.kernels().attention ? ctx.kernels().attention : attention_reference;
  const auto count = static_cast<int64_t>(units.size());
  const int64_t work_per_unit = count ? work * shape.heads * shape.head_dim / count : 0;
  ctx.for_rows(count, work_per_unit, [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) {
      const Unit& unit = units[static_cast<size_t>(u)];
      kernel(q.data<float>(), *unit.span, shape, params, unit.kv_head, unit.begin,
             std::min(unit.begin + kRowsPerUnit, unit.span->rows), out.data<float>());
    }
  });
}

AttentionSpan span_over_batch(const Tensor& k, const Tensor& v, const Segment& segment) {
  AttentionSpan span{segment.row_begin, segment.rows, 0, segment.rows, DType::kF32, false, {}, {}};
  const int64_t stride = k.dim(1) * k.dim(2);
  for (int64_t begin = 0; begin < segment.rows; begin += kBlockTokens) {
    const int64_t at = (segment.row_begin + begin) * stride;
    span.key_blocks.push_back(reinterpret_cast<const std::byte*>(k.data<float>() + at));
    span.value_blocks.push_back(reinterpret_cast<const std::byte*>(v.data<float>() + at));
  }
  return span;
}

// Gradients of one row and head, from the definition: p = softmax(s), s = cap(scale * q·k), out = Σ p v.
// dp = dout·v, ds = p * (dp - Σ p dp), then through the cap and the dot product.
struct RowGrad {
  const AttentionParams& params;
  const AttentionShape& shape;
  const Tensor &q, &k, &v, &dout;
  Tensor &dq, &dk, &dv, &dsinks;
  std::vector<float> p, t, dp;

  void run(const Segment& segment, int64_t head, int64_t r) {
    const int64_t dim = shape.head_dim;
    const int64_t kv_head = head / (shape.heads / shape.kv_heads);
    const int64_t first = first_visible_key(params, r);
    const int64_t last = params.causal ? r + 1 : segment.rows;
    const int64_t q_at = ((segment.row_begin + r) * shape.heads + head) * dim;
    const auto kv_at = [&](int64_t j) { return ((segment.row_begin + j) * shape.kv_heads + kv_head) * dim; };
    const float* qr = q.data<float>() + q_at;
    const float* gr = dout.data<float>() + q_at;
    p.resize(static_cast<size_t>(last));
    t.resize(static_cast<size_t>(last));
    dp.resize(static_cast<size_t>(last));
    const float sink = params.sinks.defined() ? params.sinks.data<float>()[head] : -INFINITY;
    float highest = sink;
    for (int64_t j = first; j < last; ++j) {
      float dot = 0;
      for (int64_t d = 0; d < dim; ++d) dot += qr[d] * k.data<float>()[kv_at(j) + d];
      const float score = capped(dot * params.scale, params.softcap);
      t[j] = params.softcap > 0 ? score / params.softcap : 0.0f;
      p[j] = score;
      highest = std::max(highest, score);
    }
    float sum = std::exp(sink - highest);
    for (int64_t j = first; j < last; ++j) sum += p[j] = std::exp(p[j] - highest);
    float mean = 0;
    for (int64_t j = first; j < last; ++j) {
      p[j] /= sum;
      float dot = 0;
      for (int64_t d = 0; d < dim; ++d) {
        dot += gr[d] * v.data<float>()[kv_at(j) + d];
        dv.data<float>()[kv_at(j) + d] += p[j] * gr[d];
      }
      dp[j] = dot;
      mean += p[j] * dot;
    }
    if (dsinks.defined()) dsinks.data<float>()[head] -= std::exp(sink - highest) / sum * mean;
    for (int64_t j = first; j < last; ++j) {
      const float ds = p[j] * (dp[j] - mean) * (1 - t[j] * t[j]) * params.scale;
      for (int64_t d = 0; d < dim; ++d) {
        dq.data<float>()[q_at + d] += ds * k.data<float>()[kv_at(j) + d];
        dk.data<float>()[kv_at(j) + d] += ds * qr[d];
      }
    }
  }
};

std::vector<Tensor> attention_vjp(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v,
                                  std::span<const Segment> segments, const AttentionParams& params,
                                  const Tensor& dout) {
  const AttentionShape shape{q.dim(1), k.dim(1), q.dim(2)};
  Tensor dq = ctx.zeros(q.shape());
  Tensor dk = ctx.zeros(k.shape());
  Tensor dv = ctx.zeros(v.shape());
  Tensor dsinks = params.sinks.defined() ? ctx.zeros(params.sinks.shape()) : Tensor();
  const int64_t group = shape.heads / shape.kv_heads;
  // A key/value head's gradients come from its own query heads alone: no two threads add to the same number.
  ctx.for_rows(shape.kv_heads, 1 << 20, [&](int64_t begin, int64_t end) {
    RowGrad row{params, shape, q, k, v, dout, dq, dk, dv, dsinks, {}, {}, {}};
    for (int64_t head = begin * group; head < end * group; ++head) {
      for (const Segment& segment : segments) {
        for (int64_t r = 0; r < segment.rows; ++r) row.run(segment, head, r);
      }
    }
  });
  return {dq, dk, dv, dsinks};
}

}  // namespace

Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, std::span<const Segment> segments,
                 const AttentionParams& params) {
  const OpTimer timer(ctx, "attention");
  require_shape(q.shape().rank() == 3 && k.shape().rank() == 3 && q.dim(2) == k.dim(2) && q.dim(0) == k.dim(0) &&
                    k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0,
                "attention", "k must be (N, K, D) with K dividing H of q " + q.shape().to_string(), k.shape());
  require_shape(k.shape() == v.shape(), "attention", "v must be " + k.shape().to_string(), v.shape());
  Tensor out = ctx.empty(q.shape());
  if (!ctx.meta()) {
    std::vector<AttentionSpan> spans;
    for (const Segment& segment : segments) spans.push_back(span_over_batch(k, v, segment));
    run_spans(ctx, q, spans, {q.dim(1), k.dim(1), q.dim(2)}, params, out);
  }
  ctx.record(
      {q, k, v, params.sinks}, {&out},
      [=, owned = std::vector<Segment>(segments.begin(), segments.end())](Context& back, std::span<const Tensor> dy) {
        return attention_vjp(back, q, k, v, owned, params, dy[0]);
      });
  return out;
}

Tensor attention_over(Context& ctx, const Tensor& q, int64_t kv_heads, std::span<const AttentionSpan> spans,
                      const AttentionParams& params) {
  const OpTimer timer(ctx, "attention");
  require_shape(q.shape().rank() == 3 && kv_heads > 0 && q.dim(1) % kv_heads == 0, "attention_over",
                "q must be (N, H, D) with K=" + std::to_string(kv_heads) + " dividing H", q.shape());
  Tensor out = ctx.empty(q.shape());
  if (!ctx.meta()) run_spans(ctx, q, spans, {q.dim(1), kv_heads, q.dim(2)}, params, out);
  return out;
}

}  // namespace linnet::ops
