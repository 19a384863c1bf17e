#include "ops/elementwise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/map_numbers.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

Tensor sum_in_order(Context& ctx, const Tensor& parts) {
  const int64_t dim = parts.dim(-1);
  Tensor sum = ctx.zeros({dim});
  if (ctx.meta()) return sum;
  float* s = sum.data<float>();
  for (int64_t r = 0; r < parts.dim(0); ++r) {
    const float* part = parts.data<float>() + r * dim;
    for (int64_t i = 0; i < dim; ++i) s[i] += part[i];
  }
  return sum;
}

namespace {

// out[r * dim + i] = f(r * dim + i, i) over all rows of (..., C) numbers, on the pool.
template <class F>
Tensor map_rows(Context& ctx, const Shape& shape, const F& f) {
  Tensor out = ctx.empty(shape);
  if (ctx.meta()) return out;
  float* o = out.data<float>();
  const int64_t dim = shape[-1];
  ctx.for_rows(out.elements() / dim, dim, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t i = 0; i < dim; ++i) o[r * dim + i] = f(r * dim + i, i);
    }
  });
  return out;
}

// Sums over all rows of (..., C) numbers, of which f(i) is number i -> (C): as many rows together as are multiplied
// together, on the pool, and then these sums in their order.
template <class F>
Tensor sum_rows(Context& ctx, int64_t elements, const Shape& shape, const F& f) {
  constexpr int64_t kUsualRows = 32;
  const int64_t tile = ctx.float_products().tile_rows;
  const int64_t together = tile > 0 ? tile : kUsualRows;
  const int64_t dim = shape[-1];
  const int64_t rows = elements / dim;
  Tensor parts = ctx.zeros({(rows + together - 1) / together, dim});
  if (ctx.meta()) return ctx.empty(shape);
  ctx.for_rows(parts.dim(0), together * dim, [&](int64_t first, int64_t last) {
    for (int64_t r = first * together; r < std::min(last * together, rows); ++r) {
      float* part = parts.data<float>() + r / together * dim;
      for (int64_t i = 0; i < dim; ++i) part[i] += f(r * dim + i);
    }
  });
  return sum_in_order(ctx, parts).reshape(shape);
}

// out = x + y, where y is as x or a row of it.
void add_numbers(Context& ctx, const Tensor& x, const Tensor& y, Tensor& out) {
  if (ctx.meta()) return;
  const int64_t dim = y.elements();
  const float* px = x.data<float>();
  const float* py = y.data<float>();
  float* to = out.data<float>();
  const auto kernel = ctx.kernels().add;
  const auto add_piece = [&](int64_t at, int64_t in_y, int64_t n) {
    if (kernel) return kernel(px + at, py + in_y, n, to + at);
    for (int64_t i = 0; i < n; ++i) to[at + i] = px[at + i] + py[in_y + i];
  };
  if (dim == x.elements()) {
    ctx.for_rows(dim, kCheap, [&](int64_t begin, int64_t end) { add_piece(begin, begin, end - begin); });
  } else {
    ctx.for_rows(x.elements() / dim, dim, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) add_piece(row * dim, 0, dim);
    });
  }
}

// (..., C) -> (C): see sum_rows().
Tensor sum_to_row(Context& ctx, const Tensor& x, const Shape& shape) {
  return sum_rows(ctx, x.elements(), shape, [from = x.data<float>()](int64_t i) { return from[i]; });
}

// Records out = x + y, whose vjp needs no numbers of either.
void record_sum(Context& ctx, const Tensor& x, const Tensor& y, Tensor& out) {
  const auto grad_of = [&](const Tensor& term) {
    return [wanted = wants_grad(term), is_row = term.shape() != out.shape(), shape = term.shape()](Context& back,
                                                                                                   const Tensor& dy) {
      if (!wanted) return Tensor();
      return is_row ? sum_to_row(back, dy, shape) : dy;
    };
  };
  const auto of_x = grad_of(x);
  const auto of_y = grad_of(y);
  ctx.record({x, y}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {of_x(back, dy[0]), of_y(back, dy[0])};
  });
}

void require_terms(const Tensor& whole, const Tensor& term) {
  require_shape(term.shape() == whole.shape() || term.shape() == Shape{whole.dim(-1)}, "add",
                "must be " + whole.shape().to_string() + " or a row of it", term.shape());
}

}  // namespace

Tensor add(Context& ctx, const Tensor& x, const Tensor& y) {
  const OpTimer timer(ctx, "add");
  require_terms(x, y);
  Tensor out = ctx.empty(x.shape());
  add_numbers(ctx, x, y, out);
  record_sum(ctx, x, y, out);
  return out;
}

Tensor add_to(Context& ctx, const Tensor& x, Tensor y) {
  if (!y.unique()) return x.shape() == y.shape() ? add(ctx, x, y) : add(ctx, y, x);
  const OpTimer timer(ctx, "add");
  require_terms(y, x);
  add_numbers(ctx, y, x, y);
  Tensor sum = y;
  sum.set_grad_id(Tensor::kNoGrad);
  record_sum(ctx, x, y, sum);
  return sum;
}

Tensor scale(Context& ctx, const Tensor& x, float factor) {
  const OpTimer timer(ctx, "scale");
  Tensor out = map_numbers(ctx, x.shape(), kCheap, [&x, factor](int64_t i) { return x.data<float>()[i] * factor; });
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    const Tensor& g = dy[0];
    return {map_numbers(back, g.shape(), kCheap, [&g, factor](int64_t i) { return g.data<float>()[i] * factor; })};
  });
  return out;
}

namespace {

Tensor multiply_columns(Context& ctx, const Tensor& x, const Tensor& factors) {
  const auto* px = reinterpret_cast<const float*>(x.raw());
  const auto* pf = reinterpret_cast<const float*>(factors.raw());
  return map_rows(ctx, x.shape(), [px, pf](int64_t at, int64_t i) { return px[at] * pf[i]; });
}

}  // namespace

Tensor scale_columns(Context& ctx, const Tensor& x, const Tensor& factors) {
  const OpTimer timer(ctx, "scale_columns");
  require_shape(factors.shape() == Shape{x.dim(-1)}, "scale_columns",
                "factors must be (C=" + std::to_string(x.dim(-1)) + ")", factors.shape());
  Tensor out = multiply_columns(ctx, x, factors);
  ctx.record({x, factors}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    Tensor dx;
    Tensor dfactors;
    if (wants_grad(x)) dx = multiply_columns(back, dy[0], factors);
    if (wants_grad(factors)) {
      dfactors = sum_rows(back, x.elements(), factors.shape(),
                          [d = dy[0].data<float>(), px = x.data<float>()](int64_t i) { return d[i] * px[i]; });
    }
    return {dx, dfactors};
  });
  return out;
}

Tensor softcap(Context& ctx, const Tensor& x, float cap) {
  const OpTimer timer(ctx, "softcap");
  Tensor out = map_numbers(ctx, x.shape(), kTranscendental,
                           [&x, cap](int64_t i) { return cap * std::tanh(x.data<float>()[i] / cap); });
  const Tensor y = out;
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {map_numbers(back, y.shape(), kCheap, [&, g = dy[0]](int64_t i) {
      const float t = y.data<float>()[i] / cap;
      return g.data<float>()[i] * (1 - t * t);
    })};
  });
  return out;
}

float exp_shifted(const KernelTable& kernels, const float* x, float shift, int64_t n, float* out) {
  if (kernels.exp_shifted) return kernels.exp_shifted(x, shift, n, out);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += out[i] = std::exp(x[i] - shift);
  return static_cast<float>(sum);
}

float softmax(const KernelTable& kernels, float* x, int64_t n, float scale, float sink) {
  if (kernels.softmax) return kernels.softmax(x, n, scale, sink);
  float highest = sink;
  for (int64_t i = 0; i < n; ++i) highest = std::max(highest, x[i] *= scale);
  const float of_sink = std::exp(sink - highest);
  const float sum = of_sink + exp_shifted(kernels, x, highest, n, x);
  for (int64_t i = 0; i < n; ++i) x[i] /= sum;
  return of_sink / sum;
}

float softmax_vjp(const KernelTable& kernels, const float* p, int64_t n, float scale, float* dp) {
  if (kernels.softmax_vjp) return kernels.softmax_vjp(p, n, scale, dp);
  float mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += p[i] * dp[i];
  for (int64_t i = 0; i < n; ++i) dp[i] = scale * (p[i] * (dp[i] - mean));
  return mean;
}

}  // namespace linnet::ops
