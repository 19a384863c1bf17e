#include "nn/linear.hpp"

#include "ops/elementwise.hpp"

namespace linnet {

Tensor Linear::forward(Context& ctx, const Tensor& x) const {
  const Tensor y = weight.product(ctx, x);
  return bias.defined() ? ops::add(ctx, y, bias) : y;
}

std::vector<Tensor> forward_together(Context& ctx, std::span<const Linear* const> layers, const Tensor& x) {
  std::vector<const Weight*> weights;
  for (const Linear* layer : layers) weights.push_back(&layer->weight);
  std::vector<Tensor> ys = Weight::products(ctx, weights, x);
  for (size_t i = 0; i < ys.size(); ++i) {
    if (layers[i]->bias.defined()) ys[i] = ops::add(ctx, ys[i], layers[i]->bias);
  }
  return ys;
}

}  // namespace linnet
