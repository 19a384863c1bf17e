#include "ops/attention_rows.hpp"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/linear.hpp"

namespace linnet::ops {

float SoftmaxRow::run(float* scores, int64_t n, const float* bias) {
  const bool plain = !bias && params.softcap <= 0;
  for (int64_t j = 0; !plain && j < n; ++j) {
    scores[j] *= params.scale;
    if (bias) scores[j] += bias[j];
    if (params.softcap > 0) scores[j] = params.softcap * std::tanh(scores[j] / params.softcap);
  }
  slopes.resize(params.softcap > 0 ? static_cast<size_t>(n) : 0);
  for (size_t j = 0; j < slopes.size(); ++j) {
    const float t = scores[j] / params.softcap;
    slopes[j] = 1 - t * t;
  }
  return softmax(kernels, scores, n, plain ? params.scale : 1, sink);
}

std::vector<float> rows_of_head(const Tensor& tensor, int64_t head, int64_t begin, int64_t count) {
  const int64_t dim = tensor.dim(2);
  std::vector<float> rows(static_cast<size_t>(count * dim));
  for (int64_t r = 0; r < count; ++r) {
    std::copy_n(tensor.data<float>() + ((begin + r) * tensor.dim(1) + head) * dim, dim, rows.data() + r * dim);
  }
  return rows;
}

void scatter_add(const std::vector<float>& rows, int64_t begin, int64_t count, int64_t head, Tensor& to) {
  const int64_t dim = to.dim(2);
  for (int64_t r = 0; r < count; ++r) {
    float* out = to.data<float>() + ((begin + r) * to.dim(1) + head) * dim;
    for (int64_t d = 0; d < dim; ++d) out[d] += rows[static_cast<size_t>(r * dim + d)];
  }
}

void sum_groups(Context& ctx, const Tensor& from, Tensor& to) {
  const int64_t dim = to.dim(2);
  const int64_t group = from.dim(1) / to.dim(1);
  ctx.for_rows(to.dim(0) * to.dim(1), group * dim, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* sum = to.data<float>() + i * dim;
      const float* parts = from.data<float>() + i * group * dim;
      std::copy_n(parts, dim, sum);
      for (int64_t g = 1; g < group; ++g) {
        for (int64_t d = 0; d < dim; ++d) sum[d] += parts[g * dim + d];
      }
    }
  });
}

uint64_t attention_mask_begin(int64_t rows, int64_t head, const Segment& segment) {
  const int64_t queries = (rows / kMaskQueries + 1) * kMaskQueries;  // room for those of any segment
  return static_cast<uint64_t>((head * rows + segment.row_begin) * queries);
}

std::vector<float> attention_mask(const DropoutMask& dropout, int64_t rows, const Segment& segment, int64_t head,
                                  int64_t row, int64_t count, int64_t key, int64_t keys) {
  const uint64_t begin = attention_mask_begin(rows, head, segment);
  std::vector<uint16_t> levels(static_cast<size_t>(keys * kMaskQueries));
  std::vector<float> mask(static_cast<size_t>(count * keys));
  for (int64_t i = row; i < row + count; ++i) {
    if (i == row || i % kMaskQueries == 0) {
      const int64_t at = (i / kMaskQueries * segment.rows + key) * kMaskQueries;
      dropout.levels(begin + static_cast<uint64_t>(at), keys * kMaskQueries, levels.data());
    }
    for (int64_t j = 0; j < keys; ++j) {
      mask[static_cast<size_t>((i - row) * keys + j)] =
          dropout.factor(levels[static_cast<size_t>(j * kMaskQueries + i % kMaskQueries)]);
    }
  }
  return mask;
}

namespace {

// Rows [begin, end) of a segment for one head. k, v: (segment rows, D) of its key/value head.
void attend_block(Context& ctx, const AttentionInputs& in, const Segment& segment, const AttentionParams& params,
                  int64_t head, int64_t begin, int64_t end, const float* k, const float* v, Tensor& out) {
  const int64_t dim = in.q.dim(2);
  const int64_t rows = end - begin;
  const int64_t first = first_visible_key(params, begin);
  const int64_t keys = (params.causal ? end : segment.rows) - first;
  const std::vector<float> q = rows_of_head(in.q, head, segment.row_begin + begin, rows);
  std::vector<float> p(static_cast<size_t>(rows * keys));
  multiply(ctx,
           {.m = rows, .n = keys, .k = dim, .a = q.data(), .b = k + first * dim, .b_transposed = true, .c = p.data()});
  SoftmaxRow softmax{params, ctx.kernels(), params.sinks.defined() ? params.sinks.data<float>()[head] : -INFINITY, {}};
  const std::vector<float> mask = attention_mask(params.dropout, in.q.dim(0), segment, head, begin, rows, first, keys);
  for (int64_t r = begin; r < end; ++r) {
    float* row = p.data() + (r - begin) * keys;
    const int64_t from = first_visible_key(params, r) - first;
    const int64_t to = (params.causal ? r + 1 : segment.rows) - first;
    const float* bias = params.bias.defined() ? bias_of(params.bias, head, r) + first + from : nullptr;
    softmax.run(row + from, to - from, bias);
    const float* dropped = mask.data() + (r - begin) * keys;
    for (int64_t j = from; j < to; ++j) row[j] *= dropped[j];
    std::fill(row, row + from, 0.0f);
    std::fill(row + to, row + keys, 0.0f);
  }
  std::vector<float> result(static_cast<size_t>(rows * dim));
  multiply(ctx, {.m = rows, .n = dim, .k = keys, .a = p.data(), .b = v + first * dim, .c = result.data()});
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(result.data() + r * dim, dim,
                out.data<float>() + ((segment.row_begin + begin + r) * in.q.dim(1) + head) * dim);
  }
}

}  // namespace

void attention_by_rows(Context& ctx, const AttentionInputs& in, std::span<const Segment> segments,
                       const AttentionParams& params, Tensor& out) {
  constexpr int64_t kRows = 96;
  const int64_t heads = in.q.dim(1);
  const int64_t group = heads / in.k.dim(1);
  const int64_t tasks = heads * static_cast<int64_t>(segments.size());
  const int64_t work = in.q.elements() * in.q.dim(0) / std::max<int64_t>(tasks, 1);
  ctx.for_rows(tasks, work, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const Segment& segment = segments[static_cast<size_t>(task / heads)];
      const int64_t head = task % heads;
      const std::vector<float> k = rows_of_head(in.k, head / group, segment.row_begin, segment.rows);
      const std::vector<float> v = rows_of_head(in.v, head / group, segment.row_begin, segment.rows);
      for (int64_t row = 0; row < segment.rows; row += kRows) {
        attend_block(ctx, in, segment, params, head, row, std::min(row + kRows, segment.rows), k.data(), v.data(), out);
      }
    }
  });
}

}  // namespace linnet::ops
