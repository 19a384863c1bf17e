#include "ops/loss.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.hpp"
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

double sum_of(const float* x, int64_t n) {
  constexpr int64_t kLanes = 8;
  std::array<double, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[static_cast<size_t>(lane)] += x[i + lane];
  }
  double total = std::accumulate(sums.begin(), sums.end(), 0.0);
  for (; i < n; ++i) total += x[i];
  return total;
}

// A target that counts, beside a teacher's one row. With q the softmax, p the teacher and r all that is not among its
// tokens, the slope of KL(p || q) in logit v is q[v] - p[v], and outside q[v] - p[r] * q[v] / q[r].
double row_beside_teacher(const KernelTable& kernels, float* logits, int64_t vocab, int32_t target, float scale,
                          const TeacherTargets& teacher) {
  const float highest = *std::max_element(logits, logits + vocab);
  const double below = double{highest} - logits[target];
  const auto top = static_cast<size_t>(teacher.top);
  std::vector<double> shifted(top);
  for (size_t i = 0; i < top; ++i) shifted[i] = double{logits[teacher.ids[i]]} - highest;
  exp_shifted(kernels, logits, highest, vocab, logits);
  std::vector<float> inside(top);
  for (size_t i = 0; i < top; ++i) inside[i] = std::exchange(logits[teacher.ids[i]], 0.0f);
  const double outside = sum_of(logits, vocab);
  const double sum = outside + std::accumulate(inside.begin(), inside.end(), 0.0);
  const double log_sum = std::log(sum);
  double divergence = 0;
  double rest = 1;  // of the teacher
  for (size_t i = 0; i < top; ++i) {
    const double p = teacher.probabilities[i];
    rest -= p;
    if (p > 0) divergence += p * (std::log(p) - (shifted[i] - log_sum));
  }
  rest = outside > 0 ? std::max(rest, 0.0) : 0.0;
  if (rest > 0) divergence += rest * (std::log(rest) - (std::log(outside) - log_sum));
  const double weight = teacher.weight;
  const auto each = static_cast<float>(scale / sum * (rest > 0 ? 1 - weight * rest * sum / outside : 1.0));
  for (int64_t v = 0; v < vocab; ++v) logits[v] *= each;
  for (size_t i = 0; i < top; ++i) {
    logits[teacher.ids[i]] = static_cast<float>(scale * (inside[i] / sum - weight * teacher.probabilities[i]));
  }
  logits[target] -= static_cast<float>(scale * (1 - weight));
  return weight * divergence + (1 - weight) * (log_sum + below);
}

}  // namespace

TeacherTargets TeacherTargets::rows(size_t begin, size_t count) const {
  const auto k = static_cast<size_t>(top);
  return {top, ids.subspan(begin * k, count * k), probabilities.subspan(begin * k, count * k), weight};
}

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
                            std::span<const float> scales, float cap, std::span<double> losses,
                            const TeacherTargets& teacher) {
  const int64_t vocab = logits.dim(1);
  CHECK(teacher.ids.size() == teacher.probabilities.size() &&
        teacher.ids.size() >= targets.size() * static_cast<size_t>(teacher.top));
  ctx.for_rows(logits.dim(0), 16 * vocab, [&](int64_t first, int64_t last) {
    std::vector<float> slopes(cap > 0 ? static_cast<size_t>(vocab) : 0);
    for (int64_t r = first; r < last; ++r) {
      float* row = logits.data<float>() + r * vocab;
      for (size_t v = 0; v < slopes.size(); ++v) slopes[v] = 1 - row[v] / cap * (row[v] / cap);
      const auto at = static_cast<size_t>(r);
      losses[at] = teacher.top > 0 && targets[at] != kIgnoreTarget
                       ? row_beside_teacher(ctx.kernels(), row, vocab, targets[at], scales[at], teacher.rows(at, 1))
                       : row_in_place(ctx.kernels(), row, vocab, targets[at], scales[at]);
      for (size_t v = 0; v < slopes.size(); ++v) row[v] *= slopes[v];
    }
  });
}

Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets, int64_t divisor,
                     const TeacherTargets& teacher) {
  require_shape(logits.dim(0) == static_cast<int64_t>(targets.size()), "cross_entropy",
                "logits must have a row a target", logits.shape());
  const double count = cross_entropy_divisor("cross_entropy", targets, logits.dim(1), divisor);
  Tensor loss = ctx.zeros({1});
  Tensor grad = ctx.meta() ? ctx.empty(logits.shape()) : logits.clone();
  if (!ctx.meta()) {
    std::vector<double> losses(targets.size());
    cross_entropy_in_place(ctx, grad, targets, std::vector<float>(targets.size(), static_cast<float>(1 / count)), 0,
                           losses, teacher);
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
