#include "nn/taught_mlp.hpp"

#include <algorithm>
#include <vector>

#include "nn/adapted.hpp"
#include "ops/elementwise.hpp"
#include "ops/kept_numbers.hpp"
#include "ops/linear.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

namespace {

// A layer's products: `low`, and `wide`, to which `plus` is added; without an adapter there is only `wide`, whose c is
// the caller's to set.
struct PartCalls {
  std::vector<MatmulCall> low;
  std::vector<MatmulCall> plus;
  std::vector<MatmulCall> wide;
};

// low_product: x · Aᵀ or dy · B, which becomes `low`.
PartCalls with_adapter(MatmulCall wide, MatmulCall low_product, Tensor& low, MatmulCall plus, float scale) {
  low_product.c = low.data<float>();
  low_product.scale = scale;
  PartCalls calls{.low = {std::move(low_product)}, .plus = {std::move(plus)}, .wide = {std::move(wide)}};
  calls.wide[0].plus = calls.plus.data();
  return calls;
}

PartCalls forth(Context& ctx, TaughtLayer& part, const Tensor& x) {
  MatmulCall wide = part.weight.product_call(ctx, x);
  if (!part.a.defined()) return {.low = {}, .plus = {}, .wide = {std::move(wide)}};
  part.low = ctx.empty(x.shape().with_last(part.a.dim(0)));
  return with_adapter(std::move(wide), ops::product_call(ctx, x, part.a), part.low,
                      ops::product_call(ctx, part.low, part.b), part.scale);
}

// dlow becomes scale · dy · B.
PartCalls back(Context& ctx, const TaughtLayer& part, const Tensor& dy, Tensor& dlow) {
  MatmulCall wide = part.weight.transposed_product_call(ctx, dy);
  if (!part.a.defined()) return {.low = {}, .plus = {}, .wide = {std::move(wide)}};
  dlow = ctx.empty(dy.shape().with_last(part.a.dim(0)));
  return with_adapter(std::move(wide), ops::transposed_product_call(ctx, dy, part.b), dlow,
                      ops::transposed_product_call(ctx, dlow, part.a), part.scale);
}

void append(std::vector<MatmulCall>& all, const std::vector<MatmulCall>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

class TaughtMlp {
 public:
  TaughtMlp(Context& ctx, ops::Activation activation, const MlpInput& input)
      : activation_(activation),
        x_(input.x),
        down_(*input.down),
        rows_(x_.elements() / x_.dim(-1)),
        middle_(Tensor::empty(DType::kF32, x_.shape().with_last(input.up->weight.rows()), Device::kMeta)),
        kept_(ctx, input.gate ? middle_.elements() : middle_.elements() / 2) {
    if (input.gate) inner_.emplace_back(*input.gate);
    inner_.emplace_back(*input.up);
  }

  // x, then the matrix, A and B of each part, down last, and the bias of the one in front of an activation alone.
  std::vector<Tensor> differentiable() const {
    std::vector<Tensor> all{x_};
    for (size_t i = 0; i < parts(); ++i) all.insert(all.end(), {part(i).weight.tensor(), part(i).a, part(i).b});
    all.push_back(bias());
    return all;
  }

  // Nothing where the kernels cannot join these. Without the bias of down.
  std::optional<Tensor> forward(Context& ctx) {
    std::vector<PartCalls> inner_calls;
    inner_calls.reserve(inner_.size());
    for (TaughtLayer& one : inner_) inner_calls.push_back(forth(ctx, one, x_));
    PartCalls of_down = forth(ctx, down_, middle_);
    std::vector<MatmulCall> before;
    std::vector<MatmulCall> inner;
    for (const PartCalls& calls : inner_calls) {
      append(before, calls.low);
      append(inner, calls.wide);
    }
    Tensor y;
    ops::add_into(ctx, y, x_.shape().with_last(down_.weight.rows()), of_down.wide[0]);
    std::vector<MatmulCall> after = of_down.low;
    append(after, of_down.wide);
    const JoinedProducts products{.before = before,
                                  .inner = inner,
                                  .join = [&](const Strips& strips) { activate(ctx.kernels(), strips); },
                                  .after = {MatmulCalls(after), MatmulCalls()}};
    if (!ops::can_join(ctx, products)) return {};
    ops::multiply_joined(ctx, products);
    return y;
  }

  // The gradients of differentiable(), given that of what forward() returned.
  std::vector<Tensor> backward(Context& ctx, const Tensor& dy) const {
    Back state(ctx, *this);
    Tensor dx;
    {
      const OpTimer timer(ctx, "mlp back");
      const PartCalls of_down = back(ctx, down_, dy, state.dlow.back());
      std::array<std::vector<MatmulCall>, 2> after;
      std::vector<PartCalls> calls;
      calls.reserve(inner_.size());
      for (size_t i = 0; i < inner_.size(); ++i) {
        calls.push_back(back(ctx, inner_[i], middle_, state.dlow[i]));
        if (wants_grad(x_)) ops::add_into(ctx, dx, x_.shape(), calls[i].wide[0]);
        append(after[i], calls[i].low);
        if (wants_grad(x_)) append(after[i], calls[i].wide);
      }
      ops::multiply_joined(ctx, {.before = of_down.low,
                                 .inner = of_down.wide,
                                 .join = [&](const Strips& strips) { activate_back(ctx.kernels(), strips, state); },
                                 .after = {MatmulCalls(after[0]), MatmulCalls(after[1])},
                                 .kept = state.kept});
    }
    std::vector<Tensor> grads(differentiable().size());
    grads[0] = dx;
    adapter_gradients(ctx, dy, state, grads);
    matrix_gradients(ctx, dy, state, grads);
    if (state.bias_sums.defined()) grads.back() = ops::sum_in_order(ctx, state.bias_sums);
    return grads;
  }

 private:
  // What the way back leaves for the gradients of what is taught.
  struct Back {
    Back(Context& ctx, const TaughtMlp& mlp) : tile_rows(ctx.float_products().tile_rows), dlow(mlp.parts()) {
      const int64_t n = mlp.middle_.dim(-1);
      const FloatProducts& products = ctx.float_products();
      for (size_t i = 0; i < mlp.parts(); ++i) {
        if (!mlp.part(i).learns()) continue;
        packed[i] = {.numbers = products.numbers,
                     .k = mlp.rows_,
                     .n = n,
                     .bytes = ctx.empty(DType::kU8, {products.operand_bytes(mlp.rows_, n)})};
        kept[i] = &packed[i];
      }
      if (wants_grad(mlp.bias())) bias_sums = ctx.zeros({(mlp.rows_ + tile_rows - 1) / tile_rows, n});
    }

    std::array<PackedOperand, 3> packed{};  // the gradients of what goes into the activation, and what comes out
    std::array<PackedOperand*, 3> kept{};   // those that somebody asks for
    int64_t tile_rows;
    Tensor bias_sums{};  // of the gradient of the bias, over tiles of rows: (T, I)
    std::vector<Tensor> dlow;
  };

  bool gated() const { return inner_.size() > 1; }
  size_t parts() const { return inner_.size() + 1; }
  const TaughtLayer& part(size_t i) const { return i < inner_.size() ? inner_[i] : down_; }
  Tensor bias() const { return gated() ? Tensor() : inner_[0].bias; }

  // Where a strip's numbers are kept: strip after strip, all rows of each.
  int64_t place(const Strips& strips) const { return strips.col * rows_ + strips.row * strips.cols; }

  // What comes out is made of the numbers as they are kept.
  void activate(const KernelTable& kernels, const Strips& strips) {
    float* const first = strips.numbers[0];
    if (gated()) {
      kept_.keep(first, strips.numbers[1], place(strips), strips.count());
      return ops::gate_numbers(kernels, activation_, first, strips.numbers[1], strips.count(), first);
    }
    const Tensor bias_row = bias();
    for (int64_t r = 0; bias_row.defined() && r < strips.rows; ++r) {
      float* const row = first + r * strips.cols;
      kernels.add(row, bias_row.data<float>() + strips.col, strips.cols, row);
    }
    const int64_t half = strips.count() / 2;
    kept_.keep(first, first + half, place(strips) / 2, half);
    ops::activate_numbers(kernels, activation_, first, strips.count(), first);
  }

  // From the gradient of what comes out of the activation to those of what goes in, and what comes out.
  void activate_back(const KernelTable& kernels, const Strips& strips, Back& state) const {
    float* const d = strips.numbers[0];
    if (gated()) {
      float* const d_up = strips.numbers[1];
      float* const out = strips.numbers[2];
      const int64_t begin = place(strips);
      return kept_.visit(begin, begin + strips.count(), [&](int64_t at, int64_t n, const float* gate, const float* up) {
        const int64_t i = at - begin;
        ops::gate_numbers_vjp(kernels, activation_, {gate, up, d + i}, n, d + i, d_up + i, out + i);
      });
    }
    float* const out = strips.numbers[1];
    const int64_t half = strips.count() / 2;
    const int64_t begin = place(strips) / 2;
    kept_.visit(begin, begin + half, [&](int64_t at, int64_t n, const float* upper, const float* lower) {
      const int64_t i = at - begin;
      ops::activate_numbers_vjp(kernels, activation_, upper, n, d + i, d + i, out + i);
      ops::activate_numbers_vjp(kernels, activation_, lower, n, d + half + i, d + half + i, out + half + i);
    });
    if (state.bias_sums.defined()) sum_bias(kernels, strips, state);
  }

  static void sum_bias(const KernelTable& kernels, const Strips& strips, Back& state) {
    for (int64_t r = 0; r < strips.rows; ++r) {
      const int64_t tile = (strips.row + r) / state.tile_rows;
      float* const sum = state.bias_sums.data<float>() + tile * state.bias_sums.dim(1) + strips.col;
      kernels.add(sum, strips.numbers[0] + r * strips.cols, strips.cols, sum);
    }
  }

  // All of A, then all of B: those that read the same beside each other.
  void adapter_gradients(Context& ctx, const Tensor& dy, const Back& state, std::vector<Tensor>& grads) const {
    std::vector<ops::WeightGrad> calls;
    std::vector<size_t> places;
    const auto want = [&](size_t place, const ops::WeightGrad& call) {
      if (!wants_grad(call.weight)) return;
      calls.push_back(call);
      places.push_back(place);
    };
    const size_t last = inner_.size();
    for (size_t i = 0; i < parts(); ++i) {
      want(3 * i + 2,
           {.dy = state.dlow[i], .x = x_, .weight = part(i).a, .packed_x = i == last ? state.kept[i] : nullptr});
    }
    for (size_t i = 0; i < parts(); ++i) {
      want(3 * i + 3,
           {.dy = dy, .x = part(i).low, .weight = part(i).b, .packed_dy = i == last ? nullptr : state.kept[i]});
    }
    std::vector<Tensor> made = ops::weight_grads(ctx, calls);
    for (size_t i = 0; i < made.size(); ++i) grads[places[i]] = std::move(made[i]);
  }

  void matrix_gradients(Context& ctx, const Tensor& dy, const Back& state, std::vector<Tensor>& grads) const {
    const size_t last = inner_.size();
    std::vector<ops::WeightGrad> calls;
    std::vector<size_t> places;
    for (size_t i = 0; i < last; ++i) {
      const Tensor& matrix = inner_[i].weight.tensor();
      if (!wants_grad(matrix)) continue;
      calls.push_back({.dy = Tensor(), .x = x_, .weight = matrix, .packed_dy = state.kept[i]});
      places.push_back(3 * i + 1);
    }
    std::vector<Tensor> made = ops::weight_grads(ctx, calls);
    for (size_t i = 0; i < made.size(); ++i) grads[places[i]] = std::move(made[i]);
    const Tensor& matrix = down_.weight.tensor();
    if (!wants_grad(matrix)) return;
    grads[3 * last + 1] =
        ops::weight_grad(ctx, {.dy = dy, .x = Tensor(), .weight = matrix, .packed_x = state.kept[last]});
  }

  ops::Activation activation_;
  Tensor x_;
  std::vector<TaughtLayer> inner_;  // gate, where there is one, and up
  TaughtLayer down_;
  int64_t rows_;
  Tensor middle_;          // (..., I), a shape alone
  ops::KeptNumbers kept_;  // what goes into the activation: gate and up, or the two halves of each strip of up
};

bool can_be_taught_joined(const Context& ctx, const Linear& layer, int64_t rows) {
  return layer.weight.is_multiplied_as_floats(ctx, rows) &&
         (layer.adapters.empty() || (layer.adapters.size() == 1 && is_plain_adapter(layer.adapters[0])));
}

// Whether what goes into the activation asks for a gradient.
bool middle_wants_grad(const MlpInput& input) {
  const auto learns = [](const Linear* layer) {
    return layer && (TaughtLayer(*layer).learns() || wants_grad(layer->bias));
  };
  return wants_grad(input.x) || learns(input.gate) || learns(input.up);
}

bool can_be_joined(const Context& ctx, const MlpInput& input) {
  if (!ctx.recorder() || ctx.observer() || !ctx.kernels().add || !middle_wants_grad(input)) return false;
  const int64_t rows = input.x.elements() / input.x.dim(-1);
  const auto fits = [&](const Linear* layer) { return can_be_taught_joined(ctx, *layer, rows); };
  if (!fits(input.up) || !fits(input.down)) return false;
  if (!input.gate) return input.up->weight.rows() % 2 == 0;
  return fits(input.gate) && !input.gate->bias.defined() && !input.up->bias.defined();
}

}  // namespace

std::optional<Tensor> taught_mlp(Context& ctx, ops::Activation activation, const MlpInput& input) {
  if (!can_be_joined(ctx, input)) return {};
  TaughtMlp mlp(ctx, activation, input);
  std::optional<Tensor> y;
  {
    const OpTimer timer(ctx, "mlp");
    y = mlp.forward(ctx);
  }
  if (!y) return {};
  ctx.record(mlp.differentiable(), std::array{&*y},
             [mlp](Context& back, std::span<const Tensor> dy) { return mlp.backward(back, dy[0]); });
  if (input.down->bias.defined()) return ops::add_to(ctx, input.down->bias, std::move(*y));
  return y;
}

}  // namespace linnet
