#include "ops/rope.hpp"

#include <algorithm>

#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

// Turns by +angle, or by -angle going back: the Jacobian of a rotation is its transpose.
Tensor rotate(Context& ctx, const Tensor& x, const Tensor& cos, const Tensor& sin, float direction) {
  Tensor out = ctx.empty(x.shape());
  if (ctx.meta()) return out;
  const int64_t heads = x.dim(1);
  const int64_t dim = x.dim(2);
  const int64_t half = cos.dim(1);
  ctx.for_rows(x.dim(0), 3 * heads * dim, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const float* c = cos.data<float>() + n * half;
      const float* s = sin.data<float>() + n * half;
      for (int64_t h = 0; h < heads; ++h) {
        const float* a = x.data<float>() + (n * heads + h) * dim;
        float* o = out.data<float>() + (n * heads + h) * dim;
        for (int64_t i = 0; i < half; ++i) {
          const float turn = direction * s[i];
          o[i] = a[i] * c[i] - a[i + half] * turn;
          o[i + half] = a[i + half] * c[i] + a[i] * turn;
        }
        std::copy(a + 2 * half, a + dim, o + 2 * half);
      }
    }
  });
  return out;
}

}  // namespace

Tensor rope(Context& ctx, const Tensor& x, const Tensor& cos, const Tensor& sin) {
  const OpTimer timer(ctx, "rope");
  require_shape(x.shape().rank() == 3, "rope", "x must be (N, H, D)", x.shape());
  require_shape(cos.shape() == sin.shape() && cos.dim(0) == x.dim(0) && 2 * cos.dim(1) <= x.dim(2), "rope",
                "cos and sin must be (N, R/2) with R <= D of " + x.shape().to_string(), cos.shape());
  Tensor out = rotate(ctx, x, cos, sin, 1.0f);
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {rotate(back, dy[0], cos, sin, -1.0f)};
  });
  return out;
}

}  // namespace linnet::ops
