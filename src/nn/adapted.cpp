#include "nn/adapted.hpp"

#include <algorithm>

#include "ops/linear.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

namespace {

struct Adapted : TaughtLayer {
  Adapted(const Linear& layer, size_t input) : TaughtLayer(layer), x(input) {}
  int64_t rank() const { return a.dim(0); }
  int64_t outputs() const { return b.dim(0); }

  size_t x;  // its number among the different inputs
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
    std::vector<Tensor> ys = plain_products(ctx);
    const OpTimer timer(ctx, "product");
    std::vector<MatmulCall> calls;
    for (Adapted& layer : layers_) {
      const Tensor& x = xs_[layer.x];
      layer.low = ctx.empty(x.shape().with_last(layer.rank()));
      calls.push_back(ops::product_call(ctx, x, layer.a));
      calls.back().c = layer.low.data<float>();
      calls.back().scale = layer.scale;
    }
    std::vector<MatmulCall> lows;
    lows.reserve(layers_.size());
    for (const Adapted& layer : layers_) lows.push_back(ops::product_call(ctx, layer.low, layer.b));
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Tensor& x = xs_[layers_[i].x];
      if (ys[i].defined()) {
        calls.push_back(lows[i]);
        calls.back().add = true;
      } else {
        ys[i] = ctx.empty(x.shape().with_last(layers_[i].outputs()));
        calls.push_back(layers_[i].weight.product_call(ctx, x));
        calls.back().plus = &lows[i];
      }
      calls.back().c = ys[i].data<float>();
    }
    ops::multiply(ctx, calls);
    return ys;
  }

  // The gradients of differentiable(), given those of what forward() returned.
  std::vector<Tensor> backward(Context& ctx, std::span<const Tensor> dys) const {
    std::vector<Tensor> grads(all_.size());
    const std::vector<Tensor> dlows = back_to_inputs(ctx, dys, grads);
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

  // x · Wᵀ where blocks are multiplied as they are; undefined where that is a matrix product like those of the
  // adapters.
  std::vector<Tensor> plain_products(Context& ctx) const {
    std::vector<Tensor> ys(layers_.size());
    std::vector<Weight::Factors> factors;
    for (const Adapted& layer : layers_) {
      const Tensor& x = xs_[layer.x];
      if (!layer.weight.is_multiplied_as_floats(ctx, rows_of(x))) factors.push_back({&layer.weight, x});
    }
    const RecorderScope recorded_here(ctx, nullptr);
    std::vector<Tensor> made = Weight::products(ctx, factors);
    size_t next = 0;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (next < factors.size() && factors[next].weight == &layers_[i].weight) ys[i] = std::move(made[next++]);
    }
    return ys;
  }

  // Into `grads` of the different x, dy · W of the layers where blocks are multiplied.
  void plain_products_back(Context& ctx, std::span<const Tensor> dys, std::vector<Tensor>& grads) const {
    std::vector<Weight::BackFactors> factors;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Adapted& layer = layers_[i];
      if (!dys[i].defined() || !wants_grad(xs_[layer.x]) || layer.weight.is_turned_as_floats(ctx)) continue;
      factors.push_back({&layer.weight, dys[i], &grads[layer.x]});
    }
    Weight::transposed_products(ctx, factors);
  }

  // d low of each layer, undefined without its dy; and into `grads` those of the different x, where they are wanted.
  std::vector<Tensor> back_to_inputs(Context& ctx, std::span<const Tensor> dys, std::vector<Tensor>& grads) const {
    plain_products_back(ctx, dys, grads);
    const OpTimer timer(ctx, "product back");
    std::vector<Tensor> dlows(layers_.size());
    std::vector<MatmulCall> added;
    added.reserve(layers_.size());
    std::vector<MatmulCall> calls;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (!dys[i].defined()) continue;
      const Adapted& layer = layers_[i];
      const Tensor& x = xs_[layer.x];
      dlows[i] = ctx.empty(x.shape().with_last(layer.rank()));
      calls.push_back(ops::transposed_product_call(ctx, dys[i], layer.b));
      calls.back().c = dlows[i].data<float>();
      calls.back().scale = layer.scale;
      if (!wants_grad(x)) continue;
      added.push_back(ops::transposed_product_call(ctx, dlows[i], layer.a));
      if (!layer.weight.is_turned_as_floats(ctx)) {
        calls.push_back(added.back());
        ops::add_into(ctx, grads[layer.x], x.shape(), calls.back());
        continue;
      }
      calls.push_back(layer.weight.transposed_product_call(ctx, dys[i]));
      ops::add_into(ctx, grads[layer.x], x.shape(), calls.back());
      calls.back().plus = &added.back();
    }
    ops::multiply(ctx, calls);
    return dlows;
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
