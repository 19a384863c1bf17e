// y = x · Wᵀ + b.
#pragma once

#include <span>
#include <vector>

#include "nn/weight.hpp"

namespace linnet {

struct Linear {
  Weight weight;  // (O, C)
  Tensor bias;    // (O) or undefined

  bool defined() const { return weight.defined(); }
  // x: (..., C) -> (..., O)
  Tensor forward(Context& ctx, const Tensor& x) const;
};

// The forward of several layers on the same x: the results of each, sooner (KernelTable::product_together).
std::vector<Tensor> forward_together(Context& ctx, std::span<const Linear* const> layers, const Tensor& x);

}  // namespace linnet
