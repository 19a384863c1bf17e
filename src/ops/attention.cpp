#include "ops/attention.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>

#include "ops/attention_heads.hpp"
#include "ops/attention_rows.hpp"
#include "ops/attention_vjp.hpp"
#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

int64_t first_visible_key(const AttentionParams& params, int64_t position) {
  return params.window > 0 ? std::max<int64_t>(0, position - params.window + 1) : 0;
}

const float* bias_of(const Tensor& bias, int64_t head, int64_t position) {
  const int64_t last = (bias.dim(1) - kBlockTokens) / 2;  // R - 1
  return bias.data<float>() + head * bias.dim(1) + last - position;
}

Tensor bias_by_head(Context& ctx, const Tensor& by_offset) {
  const int64_t offsets = by_offset.dim(0);
  const int64_t heads = by_offset.dim(1);
  require_shape(offsets % 2 == 1, "bias_by_head", "an odd number of offsets", by_offset.shape());
  const int64_t width = offsets - 1 + kBlockTokens;
  Tensor out = ctx.zeros({heads, width});
  if (!ctx.meta()) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < offsets; ++i) {
        out.data<float>()[h * width + i] = std::as_const(by_offset).data<float>()[i * heads + h];
      }
    }
  }
  ctx.record({by_offset}, {&out}, [=](Context& back, std::span<const Tensor> dy) {
    Tensor dx = back.empty({offsets, heads});
    for (int64_t i = 0; i < offsets && !back.meta(); ++i) {
      for (int64_t h = 0; h < heads; ++h) dx.data<float>()[i * heads + h] = dy[0].data<float>()[h * width + i];
    }
    return std::vector<Tensor>{dx};
  });
  return out;
}

namespace {

float number_at(const std::byte* base, DType dtype, int64_t i) {
  if (dtype == DType::kI8) return reinterpret_cast<const int8_t*>(base)[i];
  return dtype == DType::kF16 ? to_float(reinterpret_cast<const Half*>(base)[i])
                              : reinterpret_cast<const float*>(base)[i];
}
// What those of one head and position are multiplied by.
float scale_at(const std::byte* base, DType dtype, const AttentionShape& shape, int64_t kv_head, int64_t position) {
  if (dtype != DType::kI8) return 1;
  const std::byte* behind = base + shape.kv_heads * shape.head_dim * kBlockTokens;
  return reinterpret_cast<const float*>(behind)[kv_head * kBlockTokens + position];
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
  const float* bias = params.bias.defined() ? bias_of(params.bias, head, position) : nullptr;
  float highest = params.sinks.defined() ? params.sinks.data<float>()[head] : -INFINITY;
  float sum = params.sinks.defined() ? 1.0f : 0.0f;
  std::fill(out, out + dim, 0.0f);
  for (int64_t block = first / kBlockTokens; block * kBlockTokens < last; ++block) {
    const int64_t begin = std::max(first, block * kBlockTokens);
    const int64_t end = std::min(last, (block + 1) * kBlockTokens);
    const std::byte* keys = span.key_blocks[static_cast<size_t>(block)] + span.keys_at;
    const std::byte* values = span.value_blocks[static_cast<size_t>(block)] + span.values_at;
    float scores[kBlockTokens];
    float block_highest = highest;
    for (int64_t j = begin; j < end; ++j) {
      const int64_t at = j - block * kBlockTokens;
      float dot = 0;
      for (int64_t d = 0; d < dim; ++d) dot += q[d] * number_at(keys, span.dtype, key_at.of(at, d));
      dot *= scale_at(keys, span.dtype, shape, kv_head, at);
      const float score = dot * params.scale + (bias ? bias[j] : 0);
      scores[j - begin] = capped(score, params.softcap);
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
      const float scaled = weight * scale_at(values, span.dtype, shape, kv_head, at);
      for (int64_t d = 0; d < dim; ++d) out[d] += scaled * number_at(values, span.dtype, value_at.of(at, d));
    }
  }
  for (int64_t d = 0; d < dim; ++d) out[d] /= sum;
}

void attention_reference(const float* q, const AttentionUnit& unit, const AttentionShape& shape,
                         const AttentionParams& params, float* out) {
  const int64_t group = shape.heads / shape.kv_heads;
  for (int64_t r = unit.begin; r < unit.end; ++r) {
    for (int64_t head = unit.kv_head * group; head < (unit.kv_head + 1) * group; ++head) {
      const int64_t at = ((unit.span->row_begin + r) * shape.heads + head) * shape.head_dim;
      attend_row(q + at, *unit.span, shape, params, head, unit.span->position + r, out + at);
    }
  }
}

// A unit of a few rows over many keys: its parts are tasks of their own, and the last of them to end joins all.
struct SharedUnit {
  SharedUnit(const AttentionUnit& rows, int64_t parts, int64_t floats)
      : unit(rows), left(parts), states(static_cast<size_t>(parts * floats)), part_floats(floats) {}
  AttentionUnit unit;
  std::atomic<int64_t> left;
  std::vector<float> states;
  int64_t part_floats;
};

class SpanRunner {
 public:
  SpanRunner(const AttentionKernels& kernels, int threads, const float* q, const AttentionShape& shape,
             const AttentionParams& params, float* out)
      : kernels_(kernels), threads_(threads), q_(q), shape_(shape), params_(params), out_(out) {}

  void add(const AttentionSpan& span) {
    const int64_t rows = rows_per_unit(span);
    for (int64_t begin = 0; begin < span.rows; begin += rows) {
      for (int64_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
        add_unit({&span, kv_head, begin, std::min(begin + rows, span.rows)});
      }
    }
    work_ += span.rows * span.keys * shape_.heads * shape_.head_dim;
  }

  void run(Context& ctx) {
    const auto count = static_cast<int64_t>(tasks_.size());
    if (count == 0) return;
    ctx.for_rows(count, work_ / count, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) run_task(tasks_[static_cast<size_t>(i)]);
    });
  }

 private:
  struct Task {
    AttentionUnit unit;
    SharedUnit* shared;  // null: the unit whole
    int64_t part;        // among those that the unit sees
  };

  // A unit reads all keys of its head, which a later cache holds once they are many: the more rows it has, the better.
  // But a long prefill must spread over the pool.
  int64_t rows_per_unit(const AttentionSpan& span) const {
    constexpr int64_t kFewest = 32;
    constexpr int64_t kMost = 128;
    constexpr int64_t kUnitsPerThread = 4;
    const int64_t rows = span.rows * shape_.kv_heads / (kUnitsPerThread * threads_);
    return std::clamp(rows / kFewest * kFewest, kFewest, kMost);
  }

  void add_unit(const AttentionUnit& unit) {
    constexpr int64_t kFewRows = 4;
    const int64_t parts = last_part(unit) - first_part(unit) + 1;
    if (!kernels_.part || unit.end - unit.begin > kFewRows || parts <= 1) {
      tasks_.push_back({unit, nullptr, 0});
      return;
    }
    const int64_t queries = (unit.end - unit.begin) * (shape_.heads / shape_.kv_heads);
    shared_.emplace_back(unit, parts, queries * kernels_.state_floats(shape_.head_dim));
    for (int64_t part = 0; part < parts; ++part) tasks_.push_back({unit, &shared_.back(), part});
  }

  int64_t first_part(const AttentionUnit& unit) const {
    return first_visible_key(params_, unit.span->position + unit.begin) / kPartTokens;
  }
  int64_t last_part(const AttentionUnit& unit) const {
    const int64_t last = params_.causal ? unit.span->position + unit.end - 1 : unit.span->keys - 1;
    return last / kPartTokens;
  }

  void run_task(const Task& task) const {
    if (!task.shared) {
      const auto whole = kernels_.whole ? kernels_.whole : attention_reference;
      return whole(q_, task.unit, shape_, params_, out_);
    }
    SharedUnit& shared = *task.shared;
    kernels_.part(q_, task.unit, shape_, params_, first_part(task.unit) + task.part,
                  shared.states.data() + task.part * shared.part_floats);
    if (shared.left.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    const auto parts = static_cast<int64_t>(shared.states.size()) / shared.part_floats;
    kernels_.join(shared.states.data(), parts, task.unit, shape_, params_, out_);
  }

  const AttentionKernels& kernels_;
  int threads_;
  const float* q_;
  const AttentionShape& shape_;
  const AttentionParams& params_;
  float* out_;
  int64_t work_ = 0;
  std::vector<Task> tasks_;
  std::deque<SharedUnit> shared_;  // tasks hold their addresses
};

void run_spans(Context& ctx, const Tensor& q, std::span<const AttentionSpan> spans, const AttentionShape& shape,
               const AttentionParams& params, Tensor& out) {
  SpanRunner runner(ctx.kernels().attention, ctx.pool().size(), q.data<float>(), shape, params, out.data<float>());
  for (const AttentionSpan& span : spans) runner.add(span);
  runner.run(ctx);
}

// A segment's keys and values as blocks.
struct BatchBlocks {
  std::vector<const std::byte*> keys;
  std::vector<const std::byte*> values;
  AttentionSpan span;
};

BatchBlocks blocks_of_batch(const Tensor& k, const Tensor& v, const Segment& segment) {
  BatchBlocks blocks;
  const int64_t stride = k.dim(1) * k.dim(2);
  for (int64_t begin = 0; begin < segment.rows; begin += kBlockTokens) {
    const int64_t at = (segment.row_begin + begin) * stride;
    blocks.keys.push_back(reinterpret_cast<const std::byte*>(k.data<float>() + at));
    blocks.values.push_back(reinterpret_cast<const std::byte*>(v.data<float>() + at));
  }
  blocks.span = {segment.row_begin, segment.rows, 0, segment.rows, DType::kF32, false, blocks.keys, blocks.values};
  return blocks;
}

// With no dropout, on the kernels of inference.
void attention_of_batch(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                        const AttentionParams& params, Tensor& out) {
  std::vector<BatchBlocks> blocks;  // spans point into them, wherever they are moved
  blocks.reserve(segments.size());
  for (const Segment& segment : segments) blocks.push_back(blocks_of_batch(in.k, in.v, segment));
  std::vector<AttentionSpan> spans;
  spans.reserve(blocks.size());
  for (const BatchBlocks& one : blocks) spans.push_back(one.span);
  run_spans(ctx, in.q, spans, {in.q.dim(1), in.k.dim(1), in.q.dim(2)}, params, out);
}

}  // namespace

Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, std::span<const Segment> segments,
                 const AttentionParams& params) {
  const OpTimer timer(ctx, "attention");
  require_shape(q.shape().rank() == 3 && k.shape().rank() == 3 && q.dim(2) == k.dim(2) && q.dim(0) == k.dim(0) &&
                    k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0,
                "attention", "k must be (N, K, D) with K dividing H of q " + q.shape().to_string(), k.shape());
  require_shape(k.shape() == v.shape(), "attention", "v must be " + k.shape().to_string(), v.shape());
  const AttentionInputs in{q, k, v};
  const bool by_heads = goes_by_heads(ctx, in, params);
  AttentionKept kept;  // where the kernels of teaching have it
  if (by_heads) kept = attention_by_heads(ctx, in, segments, params);
  Tensor out = by_heads ? kept.out : ctx.empty(q.shape());
  if (!by_heads && !ctx.meta()) {
    (params.dropout.drops() ? attention_by_rows : attention_of_batch)(ctx, in, segments, params, out);
  }
  ctx.record(
      {q, k, v, params.sinks, params.bias}, {&out},
      [=, owned = std::vector<Segment>(segments.begin(), segments.end())](Context& back, std::span<const Tensor> dy) {
        if (by_heads) return attention_by_heads_vjp(back, in, owned, params, kept, dy[0]);
        return attention_vjp(back, in, owned, params, dy[0]);
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
