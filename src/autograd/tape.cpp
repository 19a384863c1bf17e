#include "autograd/tape.hpp"

#include <utility>

#include "base/check.hpp"
#include "ops/elementwise.hpp"

namespace linnet {

namespace {

// While it lives, vjps may take `sums`.
class SumsScope {
 public:
  SumsScope(Context& ctx, GradSums* sums) : ctx_(ctx), before_(ctx.grad_sums()) { ctx.set_grad_sums(sums); }
  ~SumsScope() { ctx_.set_grad_sums(before_); }
  SumsScope(const SumsScope&) = delete;
  SumsScope& operator=(const SumsScope&) = delete;

 private:
  Context& ctx_;
  GradSums* before_;
};

}  // namespace

int32_t Tape::next_id(const Shape& shape) {
  grads_.emplace_back();
  shapes_.push_back(shape);
  watched_.push_back(false);
  return static_cast<int32_t>(grads_.size()) - 1;
}

void Tape::watch(Tensor& tensor, Tensor sum) {
  tensor.set_grad_id(next_id(tensor.shape()));
  watched_.back() = true;
  grads_.back() = std::move(sum);
}

void Tape::record(std::span<const Tensor> inputs, std::span<Tensor* const> outputs, Vjp vjp) {
  Call call;
  for (const Tensor& input : inputs) call.inputs.push_back(input.defined() ? input.grad_id() : Tensor::kNoGrad);
  for (Tensor* output : outputs) {
    output->set_grad_id(next_id(output->shape()));
    call.outputs.push_back(output->grad_id());
  }
  call.vjp = std::move(vjp);
  calls_.push_back(std::move(call));
}

void Tape::record_again(Tensor& output, GraphPiece piece) {
  Call call;
  output.set_grad_id(next_id(output.shape()));
  call.outputs.push_back(output.grad_id());
  call.piece = std::move(piece);
  calls_.push_back(std::move(call));
}

Tensor Tape::take(int32_t id) {
  Tensor& sum = grads_[static_cast<size_t>(id)];
  return sum.unique() ? std::exchange(sum, Tensor()) : Tensor();
}

void Tape::accumulate(Context& ctx, int32_t id, Tensor grad) {
  Tensor& sum = grads_[static_cast<size_t>(id)];
  grad = grad.reshape(shapes_[static_cast<size_t>(id)]);
  if (!sum.defined()) {
    sum = std::move(grad);
  } else if (sum.unique()) {
    sum = ops::add_to(ctx, grad, std::move(sum));
  } else {
    sum = ops::add_to(ctx, sum, std::move(grad));
  }
}

void Tape::backward(Context& ctx, const Tensor& loss) {
  CHECK(loss.elements() == 1);
  backward(ctx, loss, Tensor::from(std::vector<float>{1.0f}, loss.shape()));
}

void Tape::backward(Context& ctx, const Tensor& output, const Tensor& grad_output) {
  CHECK(wants_grad(output));
  const RecorderScope first_derivatives_only(ctx, nullptr);
  accumulate(ctx, output.grad_id(), grad_output);
  const SumsScope to_be_taken(ctx, this);
  walk_back(ctx, 0);
}

void Tape::walk_back(Context& ctx, size_t count) {
  while (calls_.size() > count) {
    const Call call = std::move(calls_.back());
    calls_.pop_back();
    std::vector<Tensor> outgoing;
    bool reached = false;
    for (const int32_t id : call.outputs) {
      Tensor& grad = grads_[static_cast<size_t>(id)];
      outgoing.push_back(grad);
      reached |= grad.defined();
      if (!watched_[static_cast<size_t>(id)]) grad = Tensor();  // nothing earlier needs it any more
    }
    if (!reached) continue;
    if (call.piece) {
      walk_through(ctx, call.piece, outgoing[0]);
      continue;
    }
    std::vector<Tensor> incoming = call.vjp(ctx, outgoing);
    outgoing.clear();
    CHECK(incoming.size() == call.inputs.size());
    for (size_t i = 0; i < incoming.size(); ++i) {
      if (call.inputs[i] == Tensor::kNoGrad || !incoming[i].defined()) continue;
      accumulate(ctx, call.inputs[i], std::move(incoming[i]));
    }
  }
}

void Tape::walk_through(Context& ctx, const GraphPiece& piece, const Tensor& grad_output) {
  const size_t count = calls_.size();
  const size_t ids = grads_.size();
  {
    const RecorderScope recording(ctx, this);
    const Tensor output = piece(ctx);
    CHECK(wants_grad(output));
    accumulate(ctx, output.grad_id(), grad_output);
  }
  walk_back(ctx, count);
  // Of what was computed inside nobody asks any more.
  grads_.resize(ids);
  shapes_.resize(ids);
  watched_.resize(ids);
}

Tensor Tape::grad(const Tensor& tensor) const {
  return wants_grad(tensor) ? grads_[static_cast<size_t>(tensor.grad_id())] : Tensor();
}

}  // namespace linnet
