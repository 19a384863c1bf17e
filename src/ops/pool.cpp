#include "ops/pool.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace linnet::ops {

namespace {

// The row of the segment that holds the largest number of column d: the first such.
int64_t highest_row(const Tensor& x, const Segment& segment, int64_t d) {
  const int64_t dim = x.dim(1);
  int64_t best = segment.row_begin;
  for (int64_t r = best + 1; r < segment.row_begin + segment.rows; ++r) {
    if (x.data<float>()[r * dim + d] > x.data<float>()[best * dim + d]) best = r;
  }
  return best;
}

float pooled(const Tensor& x, const Segment& segment, Pooling pooling, int64_t d) {
  const int64_t dim = x.dim(1);
  const float* column = x.data<float>() + d;
  const int64_t last = segment.row_begin + segment.rows - 1;
  switch (pooling) {
    case Pooling::kCls:
      return column[segment.row_begin * dim];
    case Pooling::kLastToken:
      return column[last * dim];
    case Pooling::kMax:
      return column[highest_row(x, segment, d) * dim];
    case Pooling::kMean: {
      double sum = 0;
      for (int64_t r = segment.row_begin; r <= last; ++r) sum += column[r * dim];
      return static_cast<float>(sum / static_cast<double>(segment.rows));
    }
  }
  return 0;
}

// dy: of one number of the result; dx: column d of (N, C).
void spread(const Tensor& x, const Segment& segment, Pooling pooling, int64_t d, float dy, float* dx) {
  const int64_t dim = x.dim(1);
  const int64_t last = segment.row_begin + segment.rows - 1;
  switch (pooling) {
    case Pooling::kCls:
      dx[segment.row_begin * dim] += dy;
      return;
    case Pooling::kLastToken:
      dx[last * dim] += dy;
      return;
    case Pooling::kMax:
      dx[highest_row(x, segment, d) * dim] += dy;
      return;
    case Pooling::kMean:
      for (int64_t r = segment.row_begin; r <= last; ++r) dx[r * dim] += dy / static_cast<float>(segment.rows);
      return;
  }
}

double length_of(const float* row, int64_t dim) {
  constexpr double kLeast = 1e-12;
  double squares = 0;
  for (int64_t d = 0; d < dim; ++d) squares += double{row[d]} * row[d];
  return std::max(std::sqrt(squares), kLeast);
}

}  // namespace

Tensor pool(Context& ctx, const Tensor& x, std::span<const Segment> segments, Pooling pooling) {
  const int64_t dim = x.dim(1);
  for (const Segment& segment : segments) {
    require_shape(segment.rows > 0 && segment.row_begin + segment.rows <= x.dim(0), "pool",
                  "segments must be rows of x", x.shape());
  }
  Tensor out = ctx.empty({static_cast<int64_t>(segments.size()), dim});
  for (size_t s = 0; s < segments.size() && !ctx.meta(); ++s) {
    for (int64_t d = 0; d < dim; ++d) {
      out.data<float>()[static_cast<int64_t>(s) * dim + d] = pooled(x, segments[s], pooling, d);
    }
  }
  ctx.record(
      {x}, {&out},
      [=, owned = std::vector<Segment>(segments.begin(), segments.end())](Context& back, std::span<const Tensor> dy) {
        Tensor dx = back.zeros(x.shape());
        for (size_t s = 0; s < owned.size() && !back.meta(); ++s) {
          for (int64_t d = 0; d < dim; ++d) {
            const float g = dy[0].data<float>()[static_cast<int64_t>(s) * dim + d];
            spread(x, owned[s], pooling, d, g, dx.data<float>() + d);
          }
        }
        return std::vector<Tensor>{dx};
      });
  return out;
}

// With u = x / |x|:  dx = (dy - u (u·dy)) / |x|.
Tensor unit_rows(Context& ctx, const Tensor& x) {
  const int64_t dim = x.dim(1);
  Tensor out = ctx.empty(x.shape());
  for (int64_t r = 0; r < x.dim(0) && !ctx.meta(); ++r) {
    const float* row = x.data<float>() + r * dim;
    const double length = length_of(row, dim);
    for (int64_t d = 0; d < dim; ++d) out.data<float>()[r * dim + d] = static_cast<float>(row[d] / length);
  }
  const Tensor unit = out;
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) {
    Tensor dx = back.empty(x.shape());
    for (int64_t r = 0; r < x.dim(0) && !back.meta(); ++r) {
      const float* u = unit.data<float>() + r * dim;
      const float* g = dy[0].data<float>() + r * dim;
      double dot = 0;
      for (int64_t d = 0; d < dim; ++d) dot += double{u[d]} * g[d];
      const double length = length_of(x.data<float>() + r * dim, dim);
      for (int64_t d = 0; d < dim; ++d) {
        dx.data<float>()[r * dim + d] = static_cast<float>((g[d] - u[d] * dot) / length);
      }
    }
    return std::vector<Tensor>{dx};
  });
  return out;
}

}  // namespace linnet::ops
