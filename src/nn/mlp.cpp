#include "nn/mlp.hpp"

#include "nn/taught_mlp.hpp"

namespace linnet {

namespace {

bool is_plain(const Linear* layer) {
  return layer && layer->adapters.empty() && !layer->bias.defined();
}

// Of gated inputs whose layers are packed matrices and nothing else; otherwise nothing.
std::vector<Tensor> forward_packed(Context& ctx, ops::Activation activation, std::span<const MlpInput> inputs) {
  std::vector<Weight::GatedFactors> factors;
  for (const auto& [gate, up, down, x] : inputs) {
    if (!is_plain(gate) || !is_plain(up) || !is_plain(down)) return {};
    factors.push_back({&gate->weight, &up->weight, &down->weight, x});
  }
  const GateKernel gate = ops::gate_kernel(ctx.kernels(), activation);
  if (!gate || !Weight::can_join_gated(ctx, factors)) return {};
  return Weight::gated_products(ctx, factors, gate);
}

std::vector<Tensor> forward_by_steps(Context& ctx, ops::Activation activation, std::span<const MlpInput> inputs) {
  std::vector<LinearInput> first;
  for (const MlpInput& one : inputs) {
    if (one.gate) first.push_back({one.gate, one.x});
    first.push_back({one.up, one.x});
  }
  const std::vector<Tensor> made = forward_together(ctx, first);
  std::vector<LinearInput> last;
  size_t next = 0;
  for (const MlpInput& one : inputs) {
    const Tensor& outer = made[next++];
    last.push_back({one.down, one.gate ? ops::gated(ctx, activation, outer, made[next++])
                                       : ops::activate(ctx, activation, outer)});
  }
  return forward_together(ctx, last);
}

}  // namespace

std::vector<Tensor> forward_mlps(Context& ctx, ops::Activation activation, std::span<const MlpInput> inputs) {
  if (inputs.size() == 1) {
    if (const std::optional<Tensor> y = taught_mlp(ctx, activation, inputs[0])) return {*y};
  }
  std::vector<Tensor> ys = forward_packed(ctx, activation, inputs);
  return ys.empty() ? forward_by_steps(ctx, activation, inputs) : ys;
}

}  // namespace linnet
