#include "ops/loss.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "ops/elementwise.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

namespace {

// Of one row, (V) numbers.
double row_in_place(const KernelTable& kernels, float* logits, int64_t vocab, int32_t target, float scale) {
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

}  // namespace

double cross_entropy_divisor(const char* op, std::span<const int32_t> targets, int64_t vocab, int64_t divisor) {
  int64_t counted = 0;
  for (const int32_t target : targets) {
    if (target == kIgnoreTarget) continue;
    require_shape(target >= 0 && target < vocab, op, "target " + std::to_string(target) + " must be a column",
                  Shape{static_cast<int64_t>(targets.size()), vocab});
    ++counted;
  }
  return static_cast<double>(std::max<int64_t>(divisor > 0 ? divisor : counted, 1));
}

void cross_entropy_in_place(Context& ctx, Tensor& logits, std::span<const int32_t> targets,
                            std::span<const float> scales, float cap, std::span<double> losses) {
  const int64_t vocab = logits.dim(1);
  ctx.for_rows(logits.dim(0), 16 * vocab, [&](int64_t first, int64_t last) {
    std::vector<float> slopes(cap > 0 ? static_cast<size_t>(vocab) : 0);
    for (int64_t r = first; r < last; ++r) {
      float* row = logits.data<float>() + r * vocab;
      for (size_t v = 0; v < slopes.size(); ++v) slopes[v] = 1 - row[v] / cap * (row[v] / cap);
      const auto at = static_cast<size_t>(r);
      losses[at] = row_in_place(ctx.kernels(), row, vocab, targets[at], scales[at]);
      for (size_t v = 0; v < slopes.size(); ++v) row[v] *= slopes[v];
    }
  });
}

Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets, int64_t divisor) {
  require_shape(logits.dim(0) == static_cast<int64_t>(targets.size()), "cross_entropy",
                "logits must have a row a target", logits.shape());
  const double count = cross_entropy_divisor("cross_entropy", targets, logits.dim(1), divisor);
  Tensor loss = ctx.zeros({1});
  Tensor grad = ctx.meta() ? ctx.empty(logits.shape()) : logits.clone();
  if (!ctx.meta()) {
    std::vector<double> losses(targets.size());
    cross_entropy_in_place(ctx, grad, targets, std::vector<float>(targets.size(), static_cast<float>(1 / count)), 0,
                           losses);
    loss.data<float>()[0] = static_cast<float>(std::accumulate(losses.begin(), losses.end(), 0.0) / count);
  }
  ctx.record({logits}, {&loss}, [=](Context& back, std::span<const Tensor> dy) {
    return std::vector<Tensor>{back.meta() ? grad : scale(back, grad, dy[0].data<float>()[0])};
  });
  return loss;
}

Tensor log_probs(Context& ctx, const Tensor& logits, std::span<const int32_t> targets) {
  require_shape(logits.dim(0) == static_cast<int64_t>(targets.size()), "log_probs", "logits must have a row a target",
                logits.shape());
  cross_entropy_divisor("log_probs", targets, logits.dim(1), 1);
  Tensor out = ctx.empty({logits.dim(0)});
  if (!ctx.meta()) {
    std::vector<double> losses(targets.size());
    Tensor scratch = logits.clone();
    cross_entropy_in_place(ctx, scratch, targets, std::vector<float>(targets.size()), 0, losses);
    std::ranges::transform(losses, out.data<float>(), [](double loss) { return static_cast<float>(-loss); });
  }
  ctx.record({logits}, {&out},
             [logits, wanted = std::vector(targets.begin(), targets.end())](Context& back, std::span<const Tensor> dy) {
               Tensor grad = back.meta() ? back.empty(logits.shape()) : logits.clone();
               if (back.meta()) return std::vector<Tensor>{grad};
               std::vector<float> scales(wanted.size());
               std::ranges::transform(dy[0].span<float>(), scales.begin(), std::negate());
               std::vector<double> losses(wanted.size());
               cross_entropy_in_place(back, grad, wanted, scales, 0, losses);
               return std::vector<Tensor>{grad};
             });
  return out;
}

}  // namespace linnet::ops
