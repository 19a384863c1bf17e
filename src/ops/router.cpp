#include "ops/router.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/op_clock.hpp"

namespace linnet::ops {

namespace {

// softmax over the chosen columns of one row of logits; all columns when `chosen` is empty.
std::vector<float> softmax_over(const float* logits, std::span<const int32_t> chosen) {
  std::vector<float> p(chosen.size());
  float highest = -INFINITY;
  for (const int32_t e : chosen) highest = std::max(highest, logits[e]);
  float sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(logits[chosen[i]] - highest);
  for (float& x : p) x /= sum;
  return p;
}

std::vector<int32_t> all_experts(int64_t count) {
  std::vector<int32_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Scaling the softmax's top k to sum to 1 gives exactly the softmax over those k logits.
bool over_chosen(RouterWeights mode) {
  return mode != RouterWeights::kSoftmaxThenTop;
}

// Row r of the routing.
void choose(const float* logits, int64_t experts, int64_t k, RouterWeights mode, int64_t r, Routing& routing) {
  std::vector<int32_t> order = all_experts(experts);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  const std::span<const int32_t> best(order.data(), static_cast<size_t>(k));
  std::copy(best.begin(), best.end(), routing.experts.begin() + r * k);
  float* weights = routing.weights.data<float>() + r * k;
  if (over_chosen(mode)) {
    std::ranges::copy(softmax_over(logits, best), weights);
    return;
  }
  const std::vector<float> all = softmax_over(logits, all_experts(experts));
  for (const int32_t expert : best) *weights++ = all[static_cast<size_t>(expert)];
}

}  // namespace

Routing route(Context& ctx, const Tensor& logits, int64_t k, RouterWeights mode) {
  const OpTimer timer(ctx, "route");
  const int64_t rows = logits.dim(0);
  const int64_t experts = logits.dim(1);
  require_shape(k >= 1 && k <= experts, "route", "logits must be (N, E >= " + std::to_string(k) + ")", logits.shape());
  Routing routing{std::vector<int32_t>(static_cast<size_t>(rows * k)), ctx.empty({rows, k})};
  // Without numbers, all experts have as much to do.
  for (int64_t i = 0; i < rows * k && ctx.meta(); ++i) {
    routing.experts[static_cast<size_t>(i)] = static_cast<int32_t>(i % experts);
  }
  if (!ctx.meta()) {
    ctx.for_rows(rows, experts * k, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) choose(logits.data<float>() + r * experts, experts, k, mode, r, routing);
    });
  }
  // d logits_e = Σ_i dw_i * w_i * ([e is chosen i] - p_e), p being the softmax that the weights come from.
  const Tensor weights = routing.weights;
  ctx.record({logits}, {&routing.weights}, [=, chosen = routing.experts](Context& back, std::span<const Tensor> dy) {
    Tensor dx = back.zeros(logits.shape());
    for (int64_t r = 0; r < rows && !back.meta(); ++r) {
      const std::span<const int32_t> top(chosen.data() + r * k, static_cast<size_t>(k));
      const std::vector<int32_t> support =
          over_chosen(mode) ? std::vector<int32_t>(top.begin(), top.end()) : all_experts(experts);
      const std::vector<float> p = softmax_over(logits.data<float>() + r * experts, support);
      float* out = dx.data<float>() + r * experts;
      float total = 0;
      for (int64_t i = 0; i < k; ++i) {
        const float flow = dy[0].data<float>()[r * k + i] * weights.data<float>()[r * k + i];
        out[top[static_cast<size_t>(i)]] += flow;
        total += flow;
      }
      for (size_t s = 0; s < support.size(); ++s) out[support[s]] -= total * p[s];
    }
    return std::vector<Tensor>{dx};
  });
  return routing;
}

namespace {

// Gradients of x and weights of add_expert.
std::vector<Tensor> expert_vjp(Context& ctx, const Tensor& x, std::span<const int32_t> picks, const Tensor& weights,
                               const Tensor& dy) {
  const int64_t dim = x.dim(1);
  Tensor dx = ctx.empty(x.shape());
  Tensor dweights = ctx.zeros(weights.shape());
  if (ctx.meta()) return {dx, dweights};
  ctx.for_rows(x.dim(0), 2 * dim, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int32_t pick = picks[static_cast<size_t>(i)];
      const float* from = x.data<float>() + i * dim;
      const float* g = dy.data<float>() + pick / weights.dim(1) * dim;
      float* to = dx.data<float>() + i * dim;
      const float weight = weights.data<float>()[pick];
      float dot = 0;
      for (int64_t c = 0; c < dim; ++c) {
        dot += g[c] * from[c];
        to[c] = weight * g[c];
      }
      dweights.data<float>()[pick] = dot;
    }
  });
  return {dx, dweights};
}

}  // namespace

Tensor add_expert(Context& ctx, Tensor y, const Tensor& x, std::span<const int32_t> picks, const Tensor& weights) {
  const OpTimer timer(ctx, "mix");
  const int64_t dim = y.dim(1);
  require_shape(x.dim(0) == static_cast<int64_t>(picks.size()) && x.dim(1) == dim, "add_expert",
                "x must be (" + std::to_string(picks.size()) + ", " + std::to_string(dim) + ")", x.shape());
  const Tensor before = y;
  if (!ctx.meta()) {
    ctx.for_rows(x.dim(0), dim, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int32_t pick = picks[static_cast<size_t>(i)];
        const float weight = weights.data<float>()[pick];
        const float* from = x.data<float>() + i * dim;
        float* to = y.data<float>() + pick / weights.dim(1) * dim;
        for (int64_t c = 0; c < dim; ++c) to[c] += weight * from[c];
      }
    });
  }
  y.set_grad_id(Tensor::kNoGrad);
  ctx.record({before, x, weights}, {&y},
             [=, owned = std::vector<int32_t>(picks.begin(), picks.end())](
                 Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
               std::vector<Tensor> grads = expert_vjp(back, x, owned, weights, dy[0]);
               return {dy[0], grads[0], grads[1]};
             });
  return y;
}

}  // namespace linnet::ops
