#include "nn/linear.hpp"

#include <algorithm>
#include <cmath>

#include "nn/adapted.hpp"
#include "ops/elementwise.hpp"
#include "ops/linear.hpp"

namespace linnet {

namespace {

// Lengths below this count as this: no row of a model that was trained is so short.
constexpr double kShortest = 1e-12;

double length(double square) {
  return std::sqrt(std::max(square, kShortest * kShortest));
}

double square_of(const float* row, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += double{row[i]} * row[i];
  return sum;
}

Tensor scaled(Context& ctx, const Tensor& x, float factor) {
  return factor == 1 ? x : ops::scale(ctx, x, factor);
}

// plain: x · Wᵀ; lows: x · Aᵀ of each adapter.
Tensor finish(Context& ctx, const Linear& layer, Tensor plain, std::span<const Tensor> lows) {
  const bool plain_is_needed = std::any_of(layer.adapters.begin(), layer.adapters.end(),
                                           [](const Lora& lora) { return lora.magnitude.defined(); });
  Tensor y = plain_is_needed ? plain : std::move(plain);
  if (layer.bias.defined()) y = ops::add_to(ctx, layer.bias, std::move(y));
  for (size_t i = 0; i < lows.size(); ++i) {
    const Lora& lora = layer.adapters[i];
    if (!lora.magnitude.defined()) {
      // (..., R): scaled here, where it is small.
      const Tensor low = scaled(ctx, lows[i], lora.scale * lora.share);
      const Tensor& b = lora.b.tensor();
      y = b.defined() && !plain_is_needed ? ops::add_matmul_transposed(ctx, y, low, b)
                                          : ops::add(ctx, y, lora.b.product(ctx, low));
      continue;
    }
    const Tensor change = lora.b.product(ctx, lows[i]);
    const Tensor gain = lora.gain.defined() ? lora.gain : dora_gain(ctx, layer.weight, lora);
    const Tensor turned = ops::add(ctx, plain, scaled(ctx, change, lora.scale));
    const Tensor difference = ops::add(ctx, ops::scale_columns(ctx, turned, gain), ops::scale(ctx, plain, -1));
    y = ops::add(ctx, y, scaled(ctx, difference, lora.share));
  }
  return y;
}

// Row `row` of scale · B · A, with b: (O, R), a: (R, C), into `out` (C).
void low_rank_row(const Tensor& b, const Tensor& a, float scale, int64_t row, float* out) {
  const int64_t cols = a.dim(1);
  std::fill_n(out, cols, 0.0f);
  for (int64_t r = 0; r < a.dim(0); ++r) {
    const float factor = scale * b.data<float>()[row * a.dim(0) + r];
    const float* from = a.data<float>() + r * cols;
    for (int64_t c = 0; c < cols; ++c) out[c] += factor * from[c];
  }
}

// Adds to `out` what `lora` makes of W beyond W; all (O, C).
void add_change(const Tensor& base, const Lora& lora, Tensor& out) {
  const Tensor a = lora.a.unpack();
  const Tensor b = lora.b.unpack();
  const int64_t cols = base.dim(1);
  std::vector<float> row(static_cast<size_t>(cols));
  for (int64_t o = 0; o < base.dim(0); ++o) {
    const float* from = base.data<float>() + o * cols;
    float* to = out.data<float>() + o * cols;
    low_rank_row(b, a, lora.scale, o, row.data());
    if (lora.magnitude.defined()) {
      for (int64_t c = 0; c < cols; ++c) row[static_cast<size_t>(c)] += from[c];
      const auto gain = static_cast<float>(lora.magnitude.data<float>()[o] / length(square_of(row.data(), cols)));
      for (int64_t c = 0; c < cols; ++c) row[static_cast<size_t>(c)] = gain * row[static_cast<size_t>(c)] - from[c];
    }
    for (int64_t c = 0; c < cols; ++c) to[c] += lora.share * row[static_cast<size_t>(c)];
  }
}

// A · Aᵀ, (R, R).
std::vector<double> gram(const Tensor& a) {
  const int64_t rank = a.dim(0);
  std::vector<double> out(static_cast<size_t>(rank * rank));
  for (int64_t i = 0; i < rank; ++i) {
    for (int64_t j = 0; j < rank; ++j) {
      double sum = 0;
      for (int64_t c = 0; c < a.dim(1); ++c) {
        sum += double{a.data<float>()[i * a.dim(1) + c]} * a.data<float>()[j * a.dim(1) + c];
      }
      out[static_cast<size_t>(i * rank + j)] = sum;
    }
  }
  return out;
}

}  // namespace

Tensor Linear::forward(Context& ctx, const Tensor& x) const {
  const LinearInput one[] = {{this, x}};
  return forward_together(ctx, one)[0];
}

Tensor Linear::merged() const {
  if (adapters.empty()) return weight.unpack();
  const Tensor base = weight.unpack();
  Tensor out = base.clone();
  for (const Lora& lora : adapters) add_change(base, lora, out);
  return out;
}

std::vector<Tensor> forward_together(Context& ctx, std::span<const LinearInput> inputs) {
  if (can_join_adapted(ctx, inputs)) {
    std::vector<Tensor> ys = adapted_products(ctx, inputs);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].layer->bias.defined()) ys[i] = ops::add_to(ctx, inputs[i].layer->bias, std::move(ys[i]));
    }
    return ys;
  }
  std::vector<Weight::Factors> factors;
  for (const auto& [layer, x] : inputs) factors.push_back({&layer->weight, x});
  for (const auto& [layer, x] : inputs) {
    for (const Lora& lora : layer->adapters) factors.push_back({&lora.a, x});
  }
  std::vector<Tensor> ys = Weight::products(ctx, factors);
  std::span<const Tensor> lows(ys.begin() + static_cast<ptrdiff_t>(inputs.size()), ys.end());
  std::vector<Tensor> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t adapters = inputs[i].layer->adapters.size();
    out.push_back(finish(ctx, *inputs[i].layer, std::move(ys[i]), lows.first(adapters)));
    lows = lows.subspan(adapters);
  }
  return out;
}

Tensor row_squares(const Weight& weight) {
  const Tensor all = weight.unpack();
  if (!all.raw()) return Tensor::zeros(DType::kF32, {weight.rows()});  // of the meta device
  Tensor out = Tensor::empty(DType::kF32, {weight.rows()});
  for (int64_t o = 0; o < weight.rows(); ++o) {
    out.data<float>()[o] = static_cast<float>(square_of(all.data<float>() + o * weight.cols(), weight.cols()));
  }
  return out;
}

// ‖w + s·b·A‖² = ‖w‖² + 2s·b·(A·w) + s²·b·(A·Aᵀ)·b for a row w of W and b of B: one product with W, of R rows.
Tensor dora_gain(Context& ctx, const Weight& weight, const Lora& lora) {
  if (ctx.meta()) return ctx.empty({weight.rows()});
  const Tensor a = lora.a.unpack();
  const Tensor b = lora.b.unpack();
  const Tensor aw = [&] {  // (R, O)
    const RecorderScope unrecorded(ctx, nullptr);
    return weight.product(ctx, a);
  }();
  const std::vector<double> aa = gram(a);
  const int64_t rank = a.dim(0);
  Tensor inverse = ctx.empty({weight.rows()});
  for (int64_t o = 0; o < weight.rows(); ++o) {
    const float* br = b.data<float>() + o * rank;
    double sum = lora.squares.data<float>()[o];
    for (int64_t i = 0; i < rank; ++i) {
      sum += 2.0 * lora.scale * br[i] * aw.data<float>()[i * weight.rows() + o];
      double inner = 0;
      for (int64_t j = 0; j < rank; ++j) inner += aa[static_cast<size_t>(i * rank + j)] * br[j];
      sum += double{lora.scale} * lora.scale * br[i] * inner;
    }
    inverse.data<float>()[o] = static_cast<float>(1 / length(sum));
  }
  const Tensor row = lora.magnitude.reshape({1, weight.rows()});
  return ops::scale_columns(ctx, row, inverse).reshape({weight.rows()});
}

}  // namespace linnet
