// Arithmetic number by number: sums, scaling, soft caps; and by row, softmax.
#pragma once

#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::ops {

// Same shapes, or y of shape (C) added to every row of x: (..., C).
Tensor add(Context& ctx, const Tensor& x, const Tensor& y);
// y + x, with x as y or a row of it: in the memory of y where nobody else holds that. Requires an op before y whose vjp
// does not need it.
Tensor add_to(Context& ctx, const Tensor& x, Tensor y);
// parts: (N, C) -> the sum of its rows in their order: (C). Not recorded.
Tensor sum_in_order(Context& ctx, const Tensor& parts);
Tensor scale(Context& ctx, const Tensor& x, float factor);
// x: (..., C), factors: (C) -> (..., C): each column times its factor. Differentiable in both.
Tensor scale_columns(Context& ctx, const Tensor& x, const Tensor& factors);
// cap * tanh(x / cap), Gemma 2's limit on logits (arXiv:2408.00118 section 2).
Tensor softcap(Context& ctx, const Tensor& x, float cap);

// See KernelTable::exp_shifted.
float exp_shifted(const KernelTable& kernels, const float* x, float shift, int64_t n, float* out);
// See KernelTable::softmax and softmax_vjp.
float softmax(const KernelTable& kernels, float* x, int64_t n, float scale, float sink);
float softmax_vjp(const KernelTable& kernels, const float* p, int64_t n, float scale, float* dp);

}  // namespace linnet::ops
