#include "ops/loss.hpp"

#include <algorithm>
#include <cmath>

namespace linnet::ops {

namespace {

// log Σ exp(row), in double so that a large vocabulary costs no digits.
double log_sum_exp(const float* row, int64_t n) {
  const float highest = *std::max_element(row, row + n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(double{row[i]} - highest);
  return std::log(sum) + highest;
}

}  // namespace

Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets, int64_t divisor) {
  const int64_t rows = logits.dim(0);
  const int64_t vocab = logits.dim(1);
  require_shape(rows == static_cast<int64_t>(targets.size()), "cross_entropy", "logits must have a row a target",
                logits.shape());
  const int64_t counted = std::count_if(targets.begin(), targets.end(), [](int32_t t) { return t != kIgnoreTarget; });
  const auto count = static_cast<double>(std::max<int64_t>(divisor > 0 ? divisor : counted, 1));
  Tensor loss = ctx.zeros({1});
  if (!ctx.meta()) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t target = targets[static_cast<size_t>(r)];
      if (target == kIgnoreTarget) continue;
      require_shape(target >= 0 && target < vocab, "cross_entropy",
                    "target " + std::to_string(target) + " must be a column", logits.shape());
      const float* row = logits.data<float>() + r * vocab;
      sum += log_sum_exp(row, vocab) - row[target];
    }
    loss.data<float>()[0] = static_cast<float>(sum / count);
  }
  // d logits = (softmax - onehot) / count, on the counted rows.
  ctx.record(
      {logits}, {&loss},
      [=, targets = std::vector<int32_t>(targets.begin(), targets.end())](Context& back, std::span<const Tensor> dy) {
        Tensor dx = back.zeros(logits.shape());
        const double scale = dy[0].data<float>()[0] / count;
        back.for_rows(rows, 16 * vocab, [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) {
            const int32_t target = targets[static_cast<size_t>(r)];
            if (target == kIgnoreTarget) continue;
            const float* row = logits.data<float>() + r * vocab;
            float* out = dx.data<float>() + r * vocab;
            const double lse = log_sum_exp(row, vocab);
            for (int64_t v = 0; v < vocab; ++v) out[v] = static_cast<float>(scale * std::exp(row[v] - lse));
            out[target] -= static_cast<float>(scale);
          }
        });
        return std::vector<Tensor>{dx};
      });
  return loss;
}

}  // namespace linnet::ops
