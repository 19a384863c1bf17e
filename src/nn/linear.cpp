#include "nn/linear.hpp"

#include "ops/elementwise.hpp"

namespace linnet {

Tensor Linear::forward(Context& ctx, const Tensor& x) const {
  const Tensor y = weight.product(ctx, x);
  return bias.defined() ? ops::add(ctx, y, bias) : y;
}

}  // namespace linnet
