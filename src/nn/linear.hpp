// y = x · Wᵀ + b, and what adapters add to it.
#pragma once

#include <span>
#include <vector>

#include "nn/weight.hpp"

namespace linnet {

// Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): adds scale * (x · Aᵀ) · Bᵀ, R much smaller than O and C.
struct Lora {
  Weight a;  // (R, C)
  Weight b;  // (O, R)
  float scale = 1;
};

struct Linear {
  Weight weight;               // (O, C)
  Tensor bias;                 // (O) or undefined
  std::vector<Lora> adapters;  // added in this order

  bool defined() const { return weight.defined(); }
  // x: (..., C) -> (..., O)
  Tensor forward(Context& ctx, const Tensor& x) const;
};

// The forward of several layers on the same x: the results of each, sooner (KernelTable::product_together).
std::vector<Tensor> forward_together(Context& ctx, std::span<const Linear* const> layers, const Tensor& x);

}  // namespace linnet
