#include "ops/rope.hpp"

#include "ops/kernel_table.hpp"
#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

void rotate_reference(const RotateCall& call, const float* x, const float* cos, const float* sin, float* out) {
  const int64_t half = call.half;
  for (int64_t h = 0; h < call.heads; ++h, x += call.dim, out += call.dim) {
    for (int64_t i = 0; i < half; ++i) {
      const float turn = call.direction * sin[i];
      const float a = x[i];  // out may be x
      const float b = x[i + half];
      out[i] = a * cos[i] - b * turn;
      out[i + half] = b * cos[i] + a * turn;
    }
    for (int64_t i = 2 * half; i < call.dim; ++i) out[i] = x[i];
  }
}

// Turns by +angle, or by -angle going back: the Jacobian of a rotation is its transpose. out may be x.
void rotate(Context& ctx, const Tensor& x, const Tensor& cos, const Tensor& sin, float direction, Tensor& out) {
  if (ctx.meta()) return;
  const RotateCall call{.heads = x.dim(1), .dim = x.dim(2), .half = cos.dim(1), .direction = direction};
  const int64_t row = call.heads * call.dim;
  const auto kernel = ctx.kernels().rotate ? ctx.kernels().rotate : rotate_reference;
  ctx.for_rows(x.dim(0), 3 * row, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      kernel(call, x.data<float>() + n * row, cos.data<float>() + n * call.half, sin.data<float>() + n * call.half,
             out.data<float>() + n * row);
    }
  });
}

}  // namespace

Tensor rope(Context& ctx, Tensor x, const Tensor& cos, const Tensor& sin) {
  const OpTimer timer(ctx, "rope");
  require_shape(x.shape().rank() == 3, "rope", "x must be (N, H, D)", x.shape());
  require_shape(cos.shape() == sin.shape() && cos.dim(0) == x.dim(0) && 2 * cos.dim(1) <= x.dim(2), "rope",
                "cos and sin must be (N, R/2) with R <= D of " + x.shape().to_string(), cos.shape());
  Tensor fresh = x.unique() ? Tensor() : ctx.empty(x.shape());
  Tensor& turned = fresh.defined() ? fresh : x;
  rotate(ctx, x, cos, sin, 1.0f, turned);
  Tensor out = turned;
  out.set_grad_id(Tensor::kNoGrad);
  ctx.record({x}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    Tensor dx = back.empty(dy[0].shape());
    rotate(back, dy[0], cos, sin, -1.0f, dx);
    return {dx};
  });
  return out;
}

}  // namespace linnet::ops
