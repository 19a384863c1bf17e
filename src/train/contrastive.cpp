#include "train/contrastive.hpp"

#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"

namespace linnet {

Tensor contrastive_loss(Context& ctx, const Tensor& queries, const Tensor& candidates, std::span<const int32_t> targets,
                        float temperature) {
  const Tensor cosines = ops::matmul_transposed(ctx, queries, candidates);  // (Q, M)
  return ops::cross_entropy(ctx, ops::scale(ctx, cosines, 1 / temperature), targets);
}

}  // namespace linnet
