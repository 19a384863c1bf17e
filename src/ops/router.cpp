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
  for (int64_t r = 0; r < rows && !ctx.meta(); ++r) {
    const float* row = logits.data<float>() + r * experts;
    std::vector<int32_t> order = all_experts(experts);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
    order.resize(static_cast<size_t>(k));
    std::copy(order.begin(), order.end(), routing.experts.begin() + r * k);
    const std::vector<float> chosen = softmax_over(row, order);
    const std::vector<float> all = over_chosen(mode) ? std::vector<float>() : softmax_over(row, all_experts(experts));
    for (int64_t i = 0; i < k; ++i) {
      const auto at = static_cast<size_t>(i);
      routing.weights.data<float>()[r * k + i] = over_chosen(mode) ? chosen[at] : all[static_cast<size_t>(order[at])];
    }
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

}  // namespace linnet::ops
