#include "ops/packed_weights.hpp"

#include "base/check.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

PackedWeights::PackedWeights(Context& ctx) : ctx_(ctx) {
  CHECK(!ctx.packed_weights());
  ctx.set_packed_weights(this);
}

PackedWeights::~PackedWeights() {
  ctx_.set_packed_weights(nullptr);
}

const PackedOperand* PackedWeights::get(const Tensor& weight, const MatmulCall& call) {
  const FloatProducts& products = ctx_.float_products();
  if (!products) return nullptr;
  // On the meta device no weight has bytes, but those that learn have an identity.
  const auto key = ctx_.meta() ? static_cast<intptr_t>(weight.grad_id()) : reinterpret_cast<intptr_t>(weight.raw());
  const auto [found, is_new] = all_.try_emplace({key, call.b_transposed});
  PackedOperand& operand = found->second;
  if (!is_new) return &operand;
  const OpTimer timer(ctx_, "pack");
  operand = {.numbers = products.numbers,
             .k = call.k,
             .n = call.n,
             .bytes = ctx_.empty(DType::kU8, {products.operand_bytes(call.k, call.n)})};
  if (!ctx_.meta()) products.pack_operand(ctx_.pool(), call, operand.bytes.raw());
  return &operand;
}

}  // namespace linnet
