// y = x · Wᵀ + b.
#pragma once

#include "nn/weight.hpp"

namespace linnet {

struct Linear {
  Weight weight;  // (O, C)
  Tensor bias;    // (O) or undefined

  bool defined() const { return weight.defined(); }
  // x: (..., C) -> (..., O)
  Tensor forward(Context& ctx, const Tensor& x) const;
};

}  // namespace linnet
