#include "nn/head_loss.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/op_clock.hpp"

namespace linnet {

int64_t head_rows_at_once(int64_t vocab) {
  constexpr int64_t kNumbers = 1 << 24;
  constexpr int64_t kLeast = 48;
  return std::max(kLeast, kNumbers / std::max<int64_t>(vocab, 1));
}

namespace {

// The rows of a head, a few at a time.
class HeadRows {
 public:
  HeadRows(Context& ctx, const Linear& head, const Tensor& x, float softcap)
      : ctx_(ctx), head_(head), x_(x), softcap_(softcap) {}

  // Gradients are wanted of what asks for them.
  void want_gradients() {
    const Tensor& weight = head_.weight.tensor();
    if (wants_grad(x_)) dx = ctx_.empty(x_.shape());
    // What the first rows give is written, the rest is added.
    if (wants_grad(weight)) dw = x_.dim(0) > 0 ? ctx_.empty(weight.shape()) : ctx_.zeros(weight.shape());
  }

  Tensor dx;  // undefined where nobody asks
  Tensor dw;

  // The loss of each row, whose gradient is taken scales[row] times. All spans: N.
  void run(std::span<const int32_t> targets, std::span<const float> scales, std::span<double> losses,
           const ops::TeacherTargets& teacher = {}) {
    const RecorderScope computed_here(ctx_, nullptr);
    const auto step = static_cast<size_t>(head_rows_at_once(head_.weight.rows()));
    for (size_t begin = 0; begin < targets.size(); begin += step) {
      const size_t rows = std::min(step, targets.size() - begin);
      run_some(static_cast<int64_t>(begin), targets.subspan(begin, rows), scales.subspan(begin, rows),
               losses.subspan(begin, rows), teacher.rows(begin, rows));
    }
  }

 private:
  void run_some(int64_t begin, std::span<const int32_t> targets, std::span<const float> scales,
                std::span<double> losses, const ops::TeacherTargets& teacher) {
    const auto rows = static_cast<int64_t>(targets.size());
    const Tensor x = x_.rows(begin, rows);
    Tensor logits = head_.forward(ctx_, x);
    if (softcap_ > 0) logits = ops::softcap(ctx_, logits, softcap_);
    if (!ctx_.meta()) {
      const OpTimer timer(ctx_, "loss");
      ops::cross_entropy_in_place(ctx_, logits, targets, scales, softcap_, losses, teacher);
    }
    if (dx.defined()) {
      const Tensor part = head_.weight.transposed_product(ctx_, logits);
      if (!ctx_.meta()) std::copy_n(part.data<float>(), part.elements(), dx.data<float>() + begin * x_.dim(1));
    }
    if (dw.defined()) {
      ops::multiply(ctx_, {.m = dw.dim(0),
                           .n = dw.dim(1),
                           .k = rows,
                           .a = logits.data<float>(),
                           .a_transposed = true,
                           .b = x.data<float>(),
                           .c = dw.data<float>(),
                           .add = begin > 0});
    }
  }

  Context& ctx_;
  const Linear& head_;
  const Tensor& x_;
  float softcap_;
};

double check_head(const char* op, const Linear& head, const Tensor& x, std::span<const int32_t> targets,
                  int64_t divisor) {
  CHECK(head.adapters.empty() && !wants_grad(head.bias));
  require_shape(x.dim(0) == static_cast<int64_t>(targets.size()), op, "x must have a row a target", x.shape());
  return ops::cross_entropy_divisor(op, targets, head.weight.rows(), divisor);
}

}  // namespace

Tensor head_loss(Context& ctx, const Linear& head, const Tensor& x, float softcap, std::span<const int32_t> targets,
                 int64_t divisor, const ops::TeacherTargets& teacher) {
  const double count = check_head("head_loss", head, x, targets, divisor);
  Tensor loss = ctx.zeros({1});
  HeadRows run(ctx, head, x, softcap);
  run.want_gradients();
  std::vector<double> losses(targets.size());
  run.run(targets, std::vector<float>(targets.size(), static_cast<float>(1 / count)), losses, teacher);
  if (!ctx.meta()) {
    loss.data<float>()[0] = static_cast<float>(std::accumulate(losses.begin(), losses.end(), 0.0) / count);
  }
  ctx.record({x, head.weight.tensor()}, {&loss},
             [dx = run.dx, dw = run.dw](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
               const float g = back.meta() ? 1 : dy[0].data<float>()[0];
               const auto scaled = [&](const Tensor& grad) {
                 return grad.defined() && g != 1 ? ops::scale(back, grad, g) : grad;
               };
               return {scaled(dx), scaled(dw)};
             });
  return loss;
}

Tensor head_log_probs(Context& ctx, const Linear& head, const Tensor& x, float softcap,
                      std::span<const int32_t> targets) {
  check_head("head_log_probs", head, x, targets, 1);
  Tensor out = ctx.empty({x.dim(0)});
  std::vector<double> losses(targets.size());
  HeadRows(ctx, head, x, softcap).run(targets, std::vector<float>(targets.size()), losses);
  if (!ctx.meta()) {
    std::ranges::transform(losses, out.data<float>(), [](double loss) { return static_cast<float>(-loss); });
  }
  ctx.record({x, head.weight.tensor()}, {&out},
             [&head, x, softcap, wanted = std::vector(targets.begin(), targets.end())](
                 Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
               HeadRows run(back, head, x, softcap);
               run.want_gradients();
               std::vector<float> scales(wanted.size());
               if (!back.meta()) std::ranges::transform(dy[0].span<float>(), scales.begin(), std::negate());
               std::vector<double> unused(wanted.size());
               run.run(wanted, scales, unused);
               return {run.dx, run.dw};
             });
  return out;
}

}  // namespace linnet
