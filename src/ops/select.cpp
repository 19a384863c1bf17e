#include "ops/select.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "ops/linear.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

using Ids = std::vector<int32_t>;

Tensor gather(Context& ctx, const Tensor& table, std::span<const int32_t> ids) {
  const MatrixView rows = matrix_view(table);
  Tensor out = ctx.empty({static_cast<int64_t>(ids.size()), rows.cols});
  if (ctx.meta()) return out;
  ctx.for_rows(out.dim(0), rows.cols, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const std::byte* row = rows.bytes + ids[static_cast<size_t>(r)] * rows.row_bytes();
      rows.format->decode(row, out.data<float>() + r * rows.cols, rows.cols);
    }
  });
  return out;
}

// Row i of x is added to row ids[i] of what is summed of the table's gradient, or of zeros.
Tensor scatter(Context& ctx, const Tensor& x, std::span<const int32_t> ids, const Tensor& table) {
  const OpTimer timer(ctx, "gather back");
  const int64_t dim = x.dim(1);
  Tensor out = ctx.take_grad_sum(table);
  if (!out.defined()) out = ctx.zeros(table.shape());
  if (ctx.meta()) return out;
  for (size_t i = 0; i < ids.size(); ++i) {
    const float* from = x.data<float>() + static_cast<int64_t>(i) * dim;
    float* to = out.data<float>() + ids[i] * dim;
    for (int64_t c = 0; c < dim; ++c) to[c] += from[c];
  }
  return out;
}

}  // namespace

Tensor gather_rows(Context& ctx, const Tensor& table, std::span<const int32_t> ids) {
  const OpTimer timer(ctx, "gather");
  require_shape(table.shape().rank() == 2, "gather_rows", "table must be (V, C)", table.shape());
  for (const int32_t id : ids) {
    require_shape(id >= 0 && id < table.dim(0), "gather_rows", "id " + std::to_string(id) + " must be a row",
                  table.shape());
  }
  Tensor out = gather(ctx, table, ids);
  ctx.record({table}, {&out}, [=, ids = Ids(ids.begin(), ids.end())](Context& back, std::span<const Tensor> dy) {
    return std::vector<Tensor>{scatter(back, dy[0], ids, table)};
  });
  return out;
}

namespace {

// The gradients of parts beside each other, zeros where one is undefined.
Tensor join(Context& ctx, const Shape& shape, const std::vector<int64_t>& sizes, std::span<const Tensor> parts) {
  const OpTimer timer(ctx, "columns back");
  Tensor out = ctx.empty(shape);
  if (ctx.meta()) return out;
  const int64_t dim = shape[-1];
  ctx.for_rows(shape[0], dim, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      float* to = out.data<float>() + r * dim;
      for (size_t i = 0; i < sizes.size(); ++i) {
        if (parts[i].defined()) {
          std::copy_n(parts[i].data<float>() + r * sizes[i], sizes[i], to);
        } else {
          std::fill_n(to, sizes[i], 0.0f);
        }
        to += sizes[i];
      }
    }
  });
  return out;
}

}  // namespace

std::vector<Tensor> split(Context& ctx, const Tensor& x, std::span<const int64_t> sizes) {
  const OpTimer timer(ctx, "columns");
  const int64_t dim = x.dim(-1);
  require_shape(x.shape().rank() == 2 && std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) == dim, "split",
                "x must be (N, the sum of its parts)", x.shape());
  std::vector<Tensor> parts;
  parts.reserve(sizes.size());
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    parts.push_back(ctx.empty({x.dim(0), size}));
    if (!ctx.meta()) {
      ctx.for_rows(x.dim(0), size, [&](int64_t first, int64_t last) {
        for (int64_t r = first; r < last; ++r) {
          std::copy_n(x.data<float>() + r * dim + begin, size, parts.back().data<float>() + r * size);
        }
      });
    }
    begin += size;
  }
  std::vector<Tensor*> outputs;
  outputs.reserve(parts.size());
  for (Tensor& part : parts) outputs.push_back(&part);
  ctx.record(
      std::span(&x, 1), outputs,
      [shape = x.shape(), owned = std::vector<int64_t>(sizes.begin(), sizes.end())](
          Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> { return {join(back, shape, owned, dy)}; });
  return parts;
}

Tensor columns(Context& ctx, const Tensor& x, int64_t begin, int64_t count, int64_t stride) {
  const OpTimer timer(ctx, "columns");
  const int64_t dim = x.dim(-1);
  require_shape(x.shape().rank() == 2 && begin >= 0 && count >= 1 && begin + (count - 1) * stride < dim, "columns",
                "x must be (N, C > " + std::to_string(begin + (count - 1) * stride) + ")", x.shape());
  Tensor out = ctx.empty({x.dim(0), count});
  if (!ctx.meta()) {
    ctx.for_rows(x.dim(0), count, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        const float* from = x.data<float>() + r * dim + begin;
        float* to = out.data<float>() + r * count;
        for (int64_t c = 0; c < count; ++c) to[c] = from[c * stride];
      }
    });
  }
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) {
    Tensor dx = back.zeros(x.shape());
    for (int64_t r = 0; r < x.dim(0) && !back.meta(); ++r) {
      for (int64_t c = 0; c < count; ++c) {
        dx.data<float>()[r * dim + begin + c * stride] = dy[0].data<float>()[r * count + c];
      }
    }
    return std::vector<Tensor>{dx};
  });
  return out;
}

}  // namespace linnet::ops
