// Linear layers with an adapter each while those are taught: forth and back in few passes over memory. The low rank is
// added while the product is summed, and all that reads the same activations reads them together.
#pragma once

#include <span>
#include <vector>

#include "nn/linear.hpp"

namespace linnet {

// Neither DoRA's, nor held in another way than float32.
bool is_plain_adapter(const Lora& lora);

// A layer with one such adapter at most, as its way back needs it.
struct TaughtLayer {
  explicit TaughtLayer(const Linear& layer);
  bool learns() const { return wants_grad(a) || wants_grad(b) || wants_grad(weight.tensor()); }

  Weight weight;  // (O, C)
  Tensor bias;    // (O) or undefined
  Tensor a{};     // (R, C) or undefined
  Tensor b{};     // (O, R)
  float scale = 1;
  Tensor low{};  // (..., R): scale · x · Aᵀ, once that is computed
};

// Whether adapted_products() can be called: somebody records, and each layer has a frozen matrix and one plain adapter
// of float32.
bool can_join_adapted(const Context& ctx, std::span<const LinearInput> inputs);

// Of each x · Wᵀ + scale · (x · Aᵀ) · Bᵀ, without the bias: (..., O). Differentiable in x, A and B.
std::vector<Tensor> adapted_products(Context& ctx, std::span<const LinearInput> inputs);

}  // namespace linnet
