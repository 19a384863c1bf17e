// Matrix products with a weight of shape (O, C), as torch.nn.Linear stores it: float32, or bfloat16, which counts as
// the float32 that it stands for. All gradients are float32.
#pragma once

#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

// x: (..., C), weight: (O, C) -> (..., O) = x · weightᵀ. Differentiable in both.
Tensor matmul_transposed(Context& ctx, const Tensor& x, const Tensor& weight);

// x: (..., O), weight: (O, C) -> (..., C) = x · weight.
Tensor matmul(Context& ctx, const Tensor& x, const Tensor& weight);

// dy: (..., O), x: (..., C) -> dyᵀ · x (O, C), the gradient of `weight` in matmul_transposed. While a graph is walked
// back, what is summed of it so far is taken, and the result is that with the gradient added.
struct WeightGrad {
  Tensor dy;
  Tensor x;
  Tensor weight;
  // In the place of x, or of dy: packed as the b of a product over rows.
  const PackedOperand* packed_x = nullptr;
  const PackedOperand* packed_dy = nullptr;
};
Tensor weight_grad(Context& ctx, const WeightGrad& call);
// Several at once. Those with the same x, or dy, stand beside each other: where the weights are narrow, it is read
// once.
std::vector<Tensor> weight_grads(Context& ctx, std::span<const WeightGrad> calls);

// y + x · weightᵀ, in the memory of y, which nothing may read any more. x: (..., C), weight: (O, C), y: (..., O).
// Differentiable in all three; requires an op before y whose vjp does not need it.
Tensor add_matmul_transposed(Context& ctx, Tensor y, const Tensor& x, const Tensor& weight);

// For multiply(), without its c: x · weightᵀ, and y · weight. Borrow all of it.
MatmulCall product_call(Context& ctx, const Tensor& x, const Tensor& weight);
MatmulCall transposed_product_call(Context& ctx, const Tensor& y, const Tensor& weight);

// Lets `call` add its product to `sum`; one that is undefined becomes the product, of that shape.
void add_into(Context& ctx, Tensor& sum, const Shape& shape, MatmulCall& call);

// The product that `call` describes, in ctx.compute() where the kernels can.
void multiply(Context& ctx, const MatmulCall& call);
// Several, one after the other: see KernelTable::matmul.
void multiply(Context& ctx, MatmulCalls calls);

// See JoinedProducts; can_join(): whether the kernels do that with as many rows, and matrices as large.
bool can_join(Context& ctx, const JoinedProducts& products);
void multiply_joined(Context& ctx, const JoinedProducts& products);

// A weight (O, C) as kernels see it. Borrows its bytes.
MatrixView matrix_view(const Tensor& weight);

// The reference of a packed product: y (n, rows) = x (n, cols) · matrixᵀ, the matrix decoded row by row into float32.
void product_reference(Context& ctx, const MatrixView& matrix, const float* x, int64_t n, float* y);

}  // namespace linnet::ops
