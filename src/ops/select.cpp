#include "ops/select.hpp"

#include <algorithm>

#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

using Ids = std::vector<int32_t>;

Tensor gather(Context& ctx, const Tensor& table, std::span<const int32_t> ids) {
  const int64_t dim = table.dim(1);
  Tensor out = ctx.empty({static_cast<int64_t>(ids.size()), dim});
  if (ctx.meta()) return out;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::copy_n(table.data<float>() + ids[i] * dim, dim, out.data<float>() + static_cast<int64_t>(i) * dim);
  }
  return out;
}

Tensor scatter(Context& ctx, const Tensor& x, std::span<const int32_t> ids, const Tensor& scales, int64_t rows) {
  const int64_t dim = x.dim(1);
  Tensor out = ctx.zeros({rows, dim});
  if (ctx.meta()) return out;
  for (size_t i = 0; i < ids.size(); ++i) {
    const float* from = x.data<float>() + static_cast<int64_t>(i) * dim;
    float* to = out.data<float>() + ids[i] * dim;
    const float scale = scales.defined() ? scales.data<float>()[i] : 1.0f;
    for (int64_t c = 0; c < dim; ++c) to[c] += scale * from[c];
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
    return std::vector<Tensor>{scatter(back, dy[0], ids, Tensor(), table.dim(0))};
  });
  return out;
}

Tensor scatter_add_rows(Context& ctx, const Tensor& x, std::span<const int32_t> ids, const Tensor& scales,
                        int64_t rows) {
  const OpTimer timer(ctx, "scatter");
  require_shape(x.dim(0) == static_cast<int64_t>(ids.size()), "scatter_add_rows", "x must have one row an id",
                x.shape());
  Tensor out = scatter(ctx, x, ids, scales, rows);
  ctx.record({x, scales}, {&out}, [=, ids = Ids(ids.begin(), ids.end())](Context& back, std::span<const Tensor> dy) {
    Tensor dx = gather(back, dy[0], ids);
    Tensor dscales = wants_grad(scales) ? back.zeros(scales.shape()) : Tensor();
    const int64_t dim = x.dim(1);
    for (size_t i = 0; i < ids.size(); ++i) {
      float* g = dx.data<float>() + static_cast<int64_t>(i) * dim;
      const float* xi = x.data<float>() + static_cast<int64_t>(i) * dim;
      for (int64_t c = 0; c < dim; ++c) {
        if (dscales.defined()) dscales.data<float>()[i] += g[c] * xi[c];
        if (scales.defined()) g[c] *= scales.data<float>()[i];
      }
    }
    return std::vector<Tensor>{dx, dscales};
  });
  return out;
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
    for (int64_t r = 0; r < x.dim(0); ++r) {
      for (int64_t c = 0; c < count; ++c) {
        dx.data<float>()[r * dim + begin + c * stride] = dy[0].data<float>()[r * count + c];
      }
    }
    return std::vector<Tensor>{dx};
  });
  return out;
}

}  // namespace linnet::ops
