#include "ops/linear.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.hpp"
#include "ops/op_clock.hpp"
#include "ops/packed_weights.hpp"

namespace linnet::ops {

namespace {

// Sixteen running sums in a fixed order, which the compiler keeps in vector registers.
float dot(const float* a, const float* b, int64_t n) {
  constexpr int kLanes = 16;
  std::array<float, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) sums[static_cast<size_t>(lane)] += a[i + lane] * b[i + lane];
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

// Row by row of c, the sum over k in order.
void multiply_reference(Context& ctx, const MatmulCall& call) {
  CHECK(!call.c_transposed);
  ctx.for_rows(call.m, call.n * call.k, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(call.n));
    std::vector<float> stored;  // bᵀ, where it must be fetched row by row
    if (!call.b && call.b_transposed) {
      stored.resize(static_cast<size_t>(call.n * call.k));
      for (int64_t j = 0; j < call.n; ++j) call.b_row(j, stored.data() + j * call.k);
    }
    const float* b = stored.empty() ? call.b : stored.data();
    if (!call.add) std::fill(call.c + begin * call.n, call.c + end * call.n, 0.0f);
    for (int64_t k = 0; k < call.k; ++k) {
      if (!b) {
        call.b_row(k, row.data());
      } else {
        for (int64_t j = 0; j < call.n; ++j) {
          row[static_cast<size_t>(j)] = b[call.b_transposed ? j * call.k + k : k * call.n + j];
        }
      }
      for (int64_t i = begin; i < end; ++i) {
        const float a = call.a[call.a_transposed ? k * call.m + i : i * call.k + k];
        float* c = call.c + i * call.n;
        for (int64_t j = 0; j < call.n; ++j) c[j] += a * row[static_cast<size_t>(j)];
      }
    }
    for (int64_t i = begin * call.n; call.scale != 1 && i < end * call.n; ++i) call.c[i] *= call.scale;
  });
  if (call.plus) multiply_reference(ctx, call.added());
}

// The b of `call`: as it lies, or decoded row by row; packed, where somebody keeps it so.
void set_b(Context& ctx, MatmulCall& call, const Tensor& weight) {
  if (weight.dtype() == DType::kF32) {
    call.b = weight.data<float>();
  } else {
    call.b_row = [view = matrix_view(weight)](int64_t row, float* out) {
      view.format->decode(view.bytes + row * view.row_bytes(), out, view.cols);
    };
  }
  if (ctx.packed_weights()) call.packed = ctx.packed_weights()->get(weight, call);
}

}  // namespace

MatrixView matrix_view(const Tensor& weight) {
  CHECK(weight.dtype() == DType::kF32 || weight.dtype() == DType::kBF16);
  const QuantType type = weight.dtype() == DType::kF32 ? QuantType::kF32 : QuantType::kBF16;
  return {&quant_format(type), weight.raw(), weight.dim(0), weight.dim(1)};
}

void product_reference(Context& ctx, const MatrixView& matrix, const float* x, int64_t n, float* y) {
  const bool plain = matrix.format->type == QuantType::kF32;
  ctx.for_rows(matrix.rows, matrix.cols * std::max<int64_t>(n, 1), [&](int64_t begin, int64_t end) {
    std::vector<float> decoded(plain ? 0 : static_cast<size_t>(matrix.cols));
    for (int64_t o = begin; o < end; ++o) {
      const std::byte* bytes = matrix.bytes + o * matrix.row_bytes();
      if (!plain) matrix.format->decode(bytes, decoded.data(), matrix.cols);
      const float* row = plain ? reinterpret_cast<const float*>(bytes) : decoded.data();
      for (int64_t r = 0; r < n; ++r) y[r * matrix.rows + o] = dot(x + r * matrix.cols, row, matrix.cols);
    }
  });
}

void multiply(Context& ctx, const MatmulCall& call) {
  multiply(ctx, MatmulCalls(&call, 1));
}

void multiply(Context& ctx, MatmulCalls calls) {
  const KernelTable& kernels = ctx.kernels();
  if (!kernels.f32) {
    for (const MatmulCall& call : calls) {
      if (!ctx.meta()) multiply_reference(ctx, call);
    }
    return;
  }
  Tensor workspace = ctx.empty(DType::kU8, {kernels.matmul_workspace(ctx.pool().size(), calls)});
  if (ctx.meta()) return;
  ctx.float_products().matmul(ctx.pool(), calls, workspace.raw());
}

bool can_join(Context& ctx, const JoinedProducts& products) {
  return ctx.kernels().can_join && ctx.kernels().can_join(ctx.pool().size(), products);
}

void multiply_joined(Context& ctx, const JoinedProducts& products) {
  Tensor workspace = ctx.empty(DType::kU8, {ctx.kernels().joined_workspace(ctx.pool().size(), products)});
  if (ctx.meta()) return;
  ctx.float_products().joined(ctx.pool(), products, workspace.raw());
}

MatmulCall product_call(Context& ctx, const Tensor& x, const Tensor& weight) {
  MatmulCall call{.m = x.elements() / weight.dim(1),
                  .n = weight.dim(0),
                  .k = weight.dim(1),
                  .a = x.data<float>(),
                  .b_transposed = true};
  set_b(ctx, call, weight);
  return call;
}

MatmulCall transposed_product_call(Context& ctx, const Tensor& y, const Tensor& weight) {
  MatmulCall call{.m = y.elements() / weight.dim(0), .n = weight.dim(1), .k = weight.dim(0), .a = y.data<float>()};
  set_b(ctx, call, weight);
  return call;
}

void add_into(Context& ctx, Tensor& sum, const Shape& shape, MatmulCall& call) {
  call.add = sum.defined();
  if (!call.add) sum = ctx.empty(shape);
  call.c = sum.data<float>();
}

Tensor matmul(Context& ctx, const Tensor& x, const Tensor& weight) {
  require_shape(weight.shape().rank() == 2 && weight.dim(0) == x.dim(-1), "matmul",
                "weight must be (O=" + std::to_string(x.dim(-1)) + ", C)", weight.shape());
  const OpTimer timer(ctx, "product back");
  Tensor out = ctx.empty(x.shape().with_last(weight.dim(1)));
  MatmulCall call = transposed_product_call(ctx, x, weight);
  call.c = out.data<float>();
  multiply(ctx, call);
  return out;
}

Tensor weight_grad(Context& ctx, const WeightGrad& call) {
  return weight_grads(ctx, {&call, 1})[0];
}

std::vector<Tensor> weight_grads(Context& ctx, std::span<const WeightGrad> calls) {
  const OpTimer timer(ctx, "weight grad");
  std::vector<Tensor> grads;
  std::vector<MatmulCall> products;
  for (const WeightGrad& call : calls) {
    const PackedOperand* packed = call.packed_x ? call.packed_x : call.packed_dy;
    const Tensor& a = call.packed_dy ? call.x : call.dy;
    products.push_back({.m = a.dim(-1),
                        .n = packed ? packed->n : call.x.dim(-1),
                        .k = a.elements() / a.dim(-1),
                        .a = a.data<float>(),
                        .a_transposed = true,
                        .b = packed ? nullptr : call.x.data<float>(),
                        .packed = packed,
                        .c_transposed = call.packed_dy != nullptr});
    grads.push_back(ctx.take_grad_sum(call.weight));
    add_into(ctx, grads.back(), call.weight.shape(), products.back());
  }
  multiply(ctx, products);
  return grads;
}

namespace {

// The gradients of x and of the weight in x · weightᵀ.
std::vector<Tensor> product_vjp(Context& ctx, const Tensor& x, const Tensor& weight, const Tensor& dy) {
  return {wants_grad(x) ? matmul(ctx, dy, weight) : Tensor(),
          wants_grad(weight) ? weight_grad(ctx, {dy, x, weight}) : Tensor()};
}

}  // namespace

Tensor add_matmul_transposed(Context& ctx, Tensor y, const Tensor& x, const Tensor& weight) {
  require_shape(
      weight.shape().rank() == 2 && weight.dim(1) == x.dim(-1) && y.shape() == x.shape().with_last(weight.dim(0)),
      "add_matmul_transposed", "y must be " + x.shape().with_last(weight.dim(0)).to_string(), y.shape());
  const Tensor before = y;
  {
    const OpTimer timer(ctx, "product");
    MatmulCall call = product_call(ctx, x, weight);
    call.c = y.data<float>();
    call.add = true;
    multiply(ctx, call);
  }
  y.set_grad_id(Tensor::kNoGrad);
  ctx.record({before, x, weight}, {&y}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    std::vector<Tensor> grads = product_vjp(back, x, weight, dy[0]);
    return {dy[0], grads[0], grads[1]};
  });
  return y;
}

Tensor matmul_transposed(Context& ctx, const Tensor& x, const Tensor& weight) {
  require_shape(weight.shape().rank() == 2 && weight.dim(1) == x.dim(-1), "matmul_transposed",
                "weight must be (O, C=" + std::to_string(x.dim(-1)) + ")", weight.shape());
  Tensor out = ctx.empty(x.shape().with_last(weight.dim(0)));
  {
    const OpTimer timer(ctx, "product");
    if (ctx.kernels().f32) {
      MatmulCall call = product_call(ctx, x, weight);
      call.c = out.data<float>();
      multiply(ctx, call);
    } else if (!ctx.meta()) {
      product_reference(ctx, matrix_view(weight), x.data<float>(), x.elements() / weight.dim(1), out.data<float>());
    }
  }
  ctx.record({x, weight}, {&out},
             [=](Context& back, std::span<const Tensor> dy) { return product_vjp(back, x, weight, dy[0]); });
  return out;
}

}  // namespace linnet::ops
