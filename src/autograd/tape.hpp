// Reverse-mode differentiation: remembers op calls in order and walks them back.
//
// Ownership: the tape keeps every recorded call's saved tensors until it has walked back over it, or is destroyed.
// Thread safety: one thread at a time, the one that runs the forward.
#pragma once

#include <vector>

#include "ops/context.hpp"

namespace linnet {

class Tape : public GradRecorder, private GradSums {
 public:
  // From now on `tensor` asks for a gradient: a parameter, or an input. sum: what is added to, if it is defined; its
  // memory may be taken for the result.
  void watch(Tensor& tensor, Tensor sum = {});

  void record(std::span<const Tensor> inputs, std::span<Tensor* const> outputs, Vjp vjp) override;
  void record_again(Tensor& output, GraphPiece piece) override;

  // Walks back from `loss` (one number), with d loss / d loss = 1, over all that was recorded; once. Gradients of
  // watched tensors are summed in the order in which they arrive, which is the same every time.
  void backward(Context& ctx, const Tensor& loss);
  // The same from any tensor, given the gradient with respect to it.
  void backward(Context& ctx, const Tensor& output, const Tensor& grad_output);

  // After backward() what watch() was given plus d loss / d tensor; undefined where there is neither.
  Tensor grad(const Tensor& tensor) const;

 private:
  struct Call {
    std::vector<int32_t> inputs;  // identities; Tensor::kNoGrad for inputs that ask for nothing
    std::vector<int32_t> outputs;
    Vjp vjp;           // null: of a piece
    GraphPiece piece;  // null: of an op
  };

  int32_t next_id(const Shape& shape);
  Tensor take(int32_t id) override;
  void accumulate(Context& ctx, int32_t id, Tensor grad);
  // Over all calls but the first `count`.
  void walk_back(Context& ctx, size_t count);
  void walk_through(Context& ctx, const GraphPiece& piece, const Tensor& grad_output);

  std::vector<Call> calls_;
  std::vector<Tensor> grads_;  // by identity
  std::vector<Shape> shapes_;  // by identity; a reshaped tensor keeps its identity, its gradient has this shape
  std::vector<bool> watched_;  // by identity
};

}  // namespace linnet
