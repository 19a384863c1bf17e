#include "ops/loss.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/elementwise.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

double cross_entropy_row(const KernelTable& kernels, float* logits, int64_t vocab, int32_t target, float scale) {
  if (target == kIgnoreTarget) {
    std::fill_n(logits, vocab, 0.0f);
    return 0;
  }
  const float highest = *std::max_element(logits, logits + vocab);
  const double below = double{highest} - logits[target];
  const float sum = exp_shifted(kernels, logits, highest, vocab, logits);
  const float each = scale / sum;
  for (int64_t v = 0; v < vocab; ++v) logits[v] *= each;
  logits[target] -= scale;
  return std::log(double{sum}) + below;
}

Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets, int64_t divisor) {
  const int64_t rows = logits.dim(0);
  const int64_t vocab = logits.dim(1);
  require_shape(rows == static_cast<int64_t>(targets.size()), "cross_entropy", "logits must have a row a target",
                logits.shape());
  const int64_t counted = std::count_if(targets.begin(), targets.end(), [](int32_t t) { return t != kIgnoreTarget; });
  const auto count = static_cast<double>(std::max<int64_t>(divisor > 0 ? divisor : counted, 1));
  Tensor loss = ctx.zeros({1});
  if (ctx.meta()) {
    ctx.record({logits}, {&loss},
               [=](Context& back, std::span<const Tensor>) { return std::vector<Tensor>{back.empty(logits.shape())}; });
    return loss;
  }
  for (const int32_t target : targets) {
    require_shape(target == kIgnoreTarget || (target >= 0 && target < vocab), "cross_entropy",
                  "target " + std::to_string(target) + " must be a column", logits.shape());
  }
  // d logits = (softmax - onehot) / count, on the counted rows.
  Tensor grad = logits.clone();
  std::vector<double> losses(targets.size());
  ctx.for_rows(rows, 16 * vocab, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const auto at = static_cast<size_t>(r);
      losses[at] = cross_entropy_row(ctx.kernels(), grad.data<float>() + r * vocab, vocab, targets[at],
                                     static_cast<float>(1 / count));
    }
  });
  loss.data<float>()[0] = static_cast<float>(std::accumulate(losses.begin(), losses.end(), 0.0) / count);
  ctx.record({logits}, {&loss}, [=](Context& back, std::span<const Tensor> dy) {
    return std::vector<Tensor>{scale(back, grad, dy[0].data<float>()[0])};
  });
  return loss;
}

}  // namespace linnet::ops
