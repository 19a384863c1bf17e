#include "nn/head_loss.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

namespace {

// Rows whose logits take about 64 MB.
int64_t rows_at_once(int64_t vocab) {
  constexpr int64_t kNumbers = 1 << 24;
  constexpr int64_t kLeast = 48;
  return std::max(kLeast, kNumbers / std::max<int64_t>(vocab, 1));
}

class HeadLoss {
 public:
  HeadLoss(Context& ctx, const Linear& head, const Tensor& x, float softcap, double count)
      : ctx_(ctx), head_(head), x_(x), softcap_(softcap), scale_(static_cast<float>(1 / count)) {
    const Tensor& weight = head.weight.tensor();
    if (wants_grad(x)) dx = ctx.empty(x.shape());
    if (wants_grad(weight)) dw = ctx.zeros(weight.shape());
  }

  Tensor dx;  // undefined where nobody asks
  Tensor dw;

  // The summed losses of rows [begin, begin + targets).
  double run(int64_t begin, std::span<const int32_t> targets) {
    const auto rows = static_cast<int64_t>(targets.size());
    const Tensor x = x_.rows(begin, rows);
    Tensor logits = head_.forward(ctx_, x);
    if (softcap_ > 0) logits = ops::softcap(ctx_, logits, softcap_);
    const double loss = [&] {
      const OpTimer timer(ctx_, "loss");
      return ops::cross_entropy_in_place(ctx_, logits, targets, scale_, softcap_);
    }();
    if (dx.defined()) {
      const Tensor part = head_.weight.transposed_product(ctx_, logits);
      std::copy_n(part.data<float>(), part.elements(), dx.data<float>() + begin * x_.dim(1));
    }
    if (dw.defined()) {
      ops::multiply(ctx_, {.m = dw.dim(0),
                           .n = dw.dim(1),
                           .k = rows,
                           .a = logits.data<float>(),
                           .a_transposed = true,
                           .b = x.data<float>(),
                           .c = dw.data<float>(),
                           .add = true});
    }
    return loss;
  }

 private:
  Context& ctx_;
  const Linear& head_;
  const Tensor& x_;
  float softcap_;
  float scale_;
};

}  // namespace

Tensor head_loss(Context& ctx, const Linear& head, const Tensor& x, float softcap, std::span<const int32_t> targets,
                 int64_t divisor) {
  CHECK(head.adapters.empty() && !wants_grad(head.bias));
  require_shape(x.dim(0) == static_cast<int64_t>(targets.size()), "head_loss", "x must have a row a target", x.shape());
  const double count = ops::cross_entropy_divisor("head_loss", targets, head.weight.rows(), divisor);
  Tensor loss = ctx.zeros({1});
  HeadLoss run(ctx, head, x, softcap, count);
  if (!ctx.meta()) {
    const RecorderScope computed_here(ctx, nullptr);
    const int64_t step = rows_at_once(head.weight.rows());
    double sum = 0;
    for (int64_t begin = 0; begin < x.dim(0); begin += step) {
      const auto at = static_cast<size_t>(begin);
      sum += run.run(begin, targets.subspan(at, std::min(static_cast<size_t>(step), targets.size() - at)));
    }
    loss.data<float>()[0] = static_cast<float>(sum / count);
  }
  ctx.record({x, head.weight.tensor()}, {&loss},
             [dx = run.dx, dw = run.dw](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
               const float g = dy[0].data<float>()[0];
               const auto scaled = [&](const Tensor& grad) {
                 return grad.defined() && g != 1 ? ops::scale(back, grad, g) : grad;
               };
               return {scaled(dx), scaled(dw)};
             });
  return loss;
}

}  // namespace linnet
