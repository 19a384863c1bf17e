#include "nn/adapted.hpp"

#include <algorithm>
#include <optional>

#include "ops/linear.hpp"
#include "ops/op_clock.hpp"
#include "ops/packed_weights.hpp"

namespace linnet {

namespace {

struct Adapted : TaughtLayer {
  Adapted(const Linear& layer, size_t input) : TaughtLayer(layer), x(input) {}
  int64_t rank() const { return a.dim(0); }
  int64_t outputs() const { return b.dim(0); }

  size_t x;  // its number among the different inputs
};

// Packed weights, also where nobody keeps them for a step.
class PackedScope {
 public:
  explicit PackedScope(Context& ctx) {
    if (!ctx.packed_weights()) packed_.emplace(ctx);
  }

 private:
  std::optional<PackedWeights> packed_;
};

class AdaptedLayers {
 public:
  explicit AdaptedLayers(std::span<const LinearInput> inputs) {
    for (const auto& [layer, x] : inputs) {
      require_shape(x.dim(-1) == layer->weight.cols() && layer->adapters[0].a.cols() == x.dim(-1), "adapted_products",
                    "x must be (..., C=" + std::to_string(layer->weight.cols()) + ")", x.shape());
      layers_.emplace_back(*layer, number_among(xs_, x));
    }
    for (const Tensor& x : xs_) all_.push_back(x);
    for (const Adapted& layer : layers_) {
      all_.push_back(layer.a);
      all_.push_back(layer.b);
    }
  }

  // The different x, then A and B of each layer.
  const std::vector<Tensor>& differentiable() const { return all_; }

  std::vector<Tensor> forward(Context& ctx) {
    const PackedScope packed(ctx);
    std::vector<Tensor> ys(layers_.size());
    blocks_forward(ctx, ys);
    floats_forward(ctx, ys);
    return ys;
  }

  // The gradients of differentiable(), given those of what forward() returned.
  std::vector<Tensor> backward(Context& ctx, std::span<const Tensor> dys) const {
    const PackedScope packed(ctx);
    std::vector<Tensor> grads(all_.size());
    std::vector<Tensor> dlows(layers_.size());  // undefined without its dy
    blocks_back(ctx, dys, grads, dlows);
    floats_back(ctx, dys, grads, dlows);
    std::vector<ops::WeightGrad> calls;
    std::vector<size_t> places;
    const auto want = [&](size_t place, const Tensor& dy, const Tensor& x) {
      if (!dy.defined() || !wants_grad(all_[place])) return;
      calls.push_back({dy, x, all_[place]});
      places.push_back(place);
    };
    // All of A, then all of B: those of the same x beside each other.
    for (size_t i = 0; i < layers_.size(); ++i) want(xs_.size() + 2 * i, dlows[i], xs_[layers_[i].x]);
    for (size_t i = 0; i < layers_.size(); ++i) want(xs_.size() + 2 * i + 1, dys[i], layers_[i].low);
    std::vector<Tensor> made = ops::weight_grads(ctx, calls);
    for (size_t i = 0; i < made.size(); ++i) grads[places[i]] = std::move(made[i]);
    return grads;
  }

 private:
  static int64_t rows_of(const Tensor& x) { return x.elements() / x.dim(-1); }

  // x · Aᵀ of a layer, into its `low`.
  MatmulCall low_call(Context& ctx, Adapted& layer) const {
    const Tensor& x = xs_[layer.x];
    layer.low = ctx.empty(x.shape().with_last(layer.rank()));
    MatmulCall call = ops::product_call(ctx, x, layer.a);
    call.c = layer.low.data<float>();
    call.scale = layer.scale;
    return call;
  }
  // dy · B of one, into `dlow`.
  static MatmulCall low_back_call(Context& ctx, const Adapted& layer, const Tensor& dy, Tensor& dlow) {
    dlow = ctx.empty(dy.shape().with_last(layer.rank()));
    MatmulCall call = ops::transposed_product_call(ctx, dy, layer.b);
    call.c = dlow.data<float>();
    call.scale = layer.scale;
    return call;
  }

  // Of the layers where blocks are multiplied as they are: what the adapters add meets their outputs in the cache.
  void blocks_forward(Context& ctx, std::vector<Tensor>& ys) {
    std::vector<MatmulCall> calls;
    std::vector<MatmulCall> added;
    added.reserve(layers_.size());
    std::vector<Weight::Factors> factors;
    for (Adapted& layer : layers_) {
      if (layer.weight.is_multiplied_as_floats(ctx, rows_of(xs_[layer.x]))) continue;
      calls.push_back(low_call(ctx, layer));
      added.push_back(ops::product_call(ctx, layer.low, layer.b));
      factors.push_back({&layer.weight, xs_[layer.x], &added.back()});
    }
    multiply(ctx, calls, "product");
    const RecorderScope recorded_here(ctx, nullptr);
    std::vector<Tensor> made = Weight::products(ctx, factors);
    size_t next = 0;
    for (size_t i = 0; i < layers_.size() && next < factors.size(); ++i) {
      if (factors[next].weight == &layers_[i].weight) ys[i] = std::move(made[next++]);
    }
  }

  // Of the others, all in one go: products of the same x share what is packed of it.
  void floats_forward(Context& ctx, std::vector<Tensor>& ys) {
    std::vector<MatmulCall> calls;
    std::vector<MatmulCall> added;
    added.reserve(layers_.size());
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (!ys[i].defined()) calls.push_back(low_call(ctx, layers_[i]));
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (ys[i].defined()) continue;
      const Adapted& layer = layers_[i];
      const Tensor& x = xs_[layer.x];
      added.push_back(ops::product_call(ctx, layer.low, layer.b));
      ys[i] = ctx.empty(x.shape().with_last(layer.outputs()));
      calls.push_back(layer.weight.product_call(ctx, x));
      calls.back().plus = &added.back();
      calls.back().c = ys[i].data<float>();
    }
    multiply(ctx, calls, "product");
  }

  // Into `dlows` d low of the layers where turned blocks are multiplied, and into `grads` those of the different x,
  // where they are wanted.
  void blocks_back(Context& ctx, std::span<const Tensor> dys, std::vector<Tensor>& grads,
                   std::vector<Tensor>& dlows) const {
    std::vector<MatmulCall> calls;
    std::vector<MatmulCall> added;
    added.reserve(layers_.size());
    std::vector<Weight::BackFactors> factors;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Adapted& layer = layers_[i];
      if (!dys[i].defined() || layer.weight.is_turned_as_floats(ctx)) continue;
      calls.push_back(low_back_call(ctx, layer, dys[i], dlows[i]));
      if (!wants_grad(xs_[layer.x])) continue;
      added.push_back(ops::transposed_product_call(ctx, dlows[i], layer.a));
      factors.push_back({&layer.weight, dys[i], &grads[layer.x], &added.back()});
    }
    multiply(ctx, calls, "product back");
    Weight::transposed_products(ctx, factors);
  }

  // Of the others.
  void floats_back(Context& ctx, std::span<const Tensor> dys, std::vector<Tensor>& grads,
                   std::vector<Tensor>& dlows) const {
    std::vector<MatmulCall> calls;
    std::vector<MatmulCall> added;
    added.reserve(layers_.size());
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Adapted& layer = layers_[i];
      if (!dys[i].defined() || dlows[i].defined()) continue;
      calls.push_back(low_back_call(ctx, layer, dys[i], dlows[i]));
      const Tensor& x = xs_[layer.x];
      if (!wants_grad(x)) continue;
      added.push_back(ops::transposed_product_call(ctx, dlows[i], layer.a));
      calls.push_back(layer.weight.transposed_product_call(ctx, dys[i]));
      ops::add_into(ctx, grads[layer.x], x.shape(), calls.back());
      calls.back().plus = &added.back();
    }
    multiply(ctx, calls, "product back");
  }

  static void multiply(Context& ctx, std::span<const MatmulCall> calls, std::string_view timed_as) {
    const OpTimer timer(ctx, timed_as);
    if (!calls.empty()) ops::multiply(ctx, calls);
  }

  std::vector<Tensor> xs_;
  std::vector<Adapted> layers_;
  std::vector<Tensor> all_;
};

}  // namespace

TaughtLayer::TaughtLayer(const Linear& layer) : weight(layer.weight), bias(layer.bias) {
  if (layer.adapters.empty()) return;
  const Lora& lora = layer.adapters[0];
  a = lora.a.tensor();
  b = lora.b.tensor();
  scale = lora.scale * lora.share;
}

bool is_plain_adapter(const Lora& lora) {
  return !lora.magnitude.defined() && lora.a.tensor().defined() && lora.b.tensor().defined() &&
         lora.a.tensor().dtype() == DType::kF32 && lora.b.tensor().dtype() == DType::kF32;
}

bool can_join_adapted(const Context& ctx, std::span<const LinearInput> inputs) {
  if (!ctx.recorder() || ctx.observer()) return false;
  const int64_t rows = inputs[0].x.elements() / inputs[0].x.dim(-1);
  return std::ranges::all_of(inputs, [&](const LinearInput& input) {
    const Linear& layer = *input.layer;
    return !layer.weight.tensor().defined() && layer.adapters.size() == 1 && is_plain_adapter(layer.adapters[0]) &&
           input.x.elements() / input.x.dim(-1) == rows;
  });
}

std::vector<Tensor> adapted_products(Context& ctx, std::span<const LinearInput> inputs) {
  AdaptedLayers layers(inputs);
  std::vector<Tensor> ys = layers.forward(ctx);
  std::vector<Tensor*> outputs;
  outputs.reserve(ys.size());
  for (Tensor& y : ys) outputs.push_back(&y);
  ctx.record(layers.differentiable(), outputs,
             [layers](Context& back, std::span<const Tensor> dys) { return layers.backward(back, dys); });
  return ys;
}

}  // namespace linnet
