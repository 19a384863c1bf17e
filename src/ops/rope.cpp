#include "ops/rope.hpp"

#include <algorithm>

#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

void rotate_reference(const RotateCall& call, const float* x, const float* cos, const float* sin, float* out) {
  const int64_t half = call.half;
  for (int64_t h = 0; h < call.heads; ++h, x += call.dim, out += call.dim) {
    for (int64_t i = 0; i < half; ++i) {
      const float turn = call.direction * sin[i];
      out[i] = x[i] * cos[i] - x[i + half] * turn;
      out[i + half] = x[i + half] * cos[i] + x[i] * turn;
    }
    std::copy(x + 2 * half, x + call.dim, out + 2 * half);
  }
}

// Turns by +angle, or by -angle going back: the Jacobian of a rotation is its transpose.
Tensor rotate(Context& ctx, const Tensor& x, const Tensor& cos, const Tensor& sin, float direction) {
  Tensor out = ctx.empty(x.shape());
  if (ctx.meta()) return out;
  const RotateCall call{.heads = x.dim(1), .dim = x.dim(2), .half = cos.dim(1), .direction = direction};
  const int64_t row = call.heads * call.dim;
  const auto kernel = ctx.kernels().rotate ? ctx.kernels().rotate : rotate_reference;
  ctx.for_rows(x.dim(0), 3 * row, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      kernel(call, x.data<float>() + n * row, cos.data<float>() + n * call.half, sin.data<float>() + n * call.half,
             out.data<float>() + n * row);
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
