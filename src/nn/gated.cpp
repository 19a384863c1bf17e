#include "nn/gated.hpp"

#include "nn/taught_mlp.hpp"

namespace linnet {

namespace {

bool is_plain(const Linear& layer) {
  return layer.adapters.empty() && !layer.bias.defined();
}

std::vector<Tensor> forward_by_steps(Context& ctx, ops::Activation activation, std::span<const GatedInput> inputs) {
  std::vector<LinearInput> first;
  for (const GatedInput& one : inputs) {
    first.push_back({one.gate, one.x});
    first.push_back({one.up, one.x});
  }
  const std::vector<Tensor> made = forward_together(ctx, first);
  std::vector<LinearInput> last;
  for (size_t i = 0; i < inputs.size(); ++i) {
    last.push_back({inputs[i].down, ops::gated(ctx, activation, made[2 * i], made[2 * i + 1])});
  }
  return forward_together(ctx, last);
}

}  // namespace

Tensor forward_activated(Context& ctx, ops::Activation activation, const Linear& up, const Linear& down,
                         const Tensor& x) {
  if (const std::optional<Tensor> y = taught_mlp(ctx, activation, {nullptr, &up, &down, x})) return *y;
  return down.forward(ctx, ops::activate(ctx, activation, up.forward(ctx, x)));
}

std::vector<Tensor> forward_gated(Context& ctx, ops::Activation activation, std::span<const GatedInput> inputs) {
  if (inputs.size() == 1) {
    const auto& [gate, up, down, x] = inputs[0];
    if (const std::optional<Tensor> y = taught_mlp(ctx, activation, {gate, up, down, x})) return {*y};
  }
  std::vector<Weight::GatedFactors> factors;
  for (const auto& [gate, up, down, x] : inputs) {
    if (!is_plain(*gate) || !is_plain(*up) || !is_plain(*down)) return forward_by_steps(ctx, activation, inputs);
    factors.push_back({&gate->weight, &up->weight, &down->weight, x});
  }
  const GateKernel gate = ops::gate_kernel(ctx.kernels(), activation);
  if (!gate || !Weight::can_join_gated(ctx, factors)) return forward_by_steps(ctx, activation, inputs);
  return Weight::gated_products(ctx, factors, gate);
}

}  // namespace linnet
