#include "nn/linear.hpp"

#include "ops/elementwise.hpp"
#include "ops/linear.hpp"

namespace linnet {

namespace {

Tensor finish(Context& ctx, const Linear& layer, const Tensor& x, Tensor y) {
  if (layer.bias.defined()) y = ops::add(ctx, y, layer.bias);
  for (const Lora& lora : layer.adapters) {
    const Tensor low = lora.a.product(ctx, x);  // (..., R): scaled here, where it is small
    const Tensor scaled = lora.scale == 1 ? low : ops::scale(ctx, low, lora.scale);
    const Tensor& b = lora.b.tensor();
    y = b.defined() ? ops::add_matmul_transposed(ctx, y, scaled, b) : ops::add(ctx, y, lora.b.product(ctx, scaled));
  }
  return y;
}

}  // namespace

Tensor Linear::forward(Context& ctx, const Tensor& x) const {
  return finish(ctx, *this, x, weight.product(ctx, x));
}

std::vector<Tensor> forward_together(Context& ctx, std::span<const Linear* const> layers, const Tensor& x) {
  std::vector<const Weight*> weights;
  for (const Linear* layer : layers) weights.push_back(&layer->weight);
  std::vector<Tensor> ys = Weight::products(ctx, weights, x);
  for (size_t i = 0; i < ys.size(); ++i) ys[i] = finish(ctx, *layers[i], x, std::move(ys[i]));
  return ys;
}

}  // namespace linnet
