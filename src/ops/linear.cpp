#include "ops/linear.hpp"

#include <algorithm>
#include <array>

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

// dW (O, C) = dyᵀ (O, N) · x (N, C), the sum over rows in their order.
Tensor weight_grad(Context& ctx, const Tensor& dy, const Tensor& x, const Shape& shape) {
  Tensor dw = ctx.zeros(shape);
  const int64_t outs = shape[0];
  const int64_t cols = shape[1];
  const int64_t rows = x.elements() / cols;
  ctx.for_rows(outs, rows * cols, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      float* row = dw.data<float>() + o * cols;
      for (int64_t r = 0; r < rows; ++r) {
        const float g = dy.data<float>()[r * outs + o];
        const float* xr = x.data<float>() + r * cols;
        for (int64_t c = 0; c < cols; ++c) row[c] += g * xr[c];
      }
    }
  });
  return dw;
}

MatrixView view_of(const Tensor& weight) {
  return {&quant_format(QuantType::kF32), weight.raw(), weight.dim(0), weight.dim(1)};
}

}  // namespace

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

void transposed_product_reference(Context& ctx, const MatrixView& matrix, const float* dy, int64_t n, float* dx) {
  ctx.for_rows(n, matrix.rows * matrix.cols, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(matrix.cols));
    std::fill(dx + begin * matrix.cols, dx + end * matrix.cols, 0.0f);
    for (int64_t o = 0; o < matrix.rows; ++o) {
      matrix.format->decode(matrix.bytes + o * matrix.row_bytes(), row.data(), matrix.cols);
      for (int64_t r = begin; r < end; ++r) {
        const float g = dy[r * matrix.rows + o];
        for (int64_t c = 0; c < matrix.cols; ++c) dx[r * matrix.cols + c] += g * row[static_cast<size_t>(c)];
      }
    }
  });
}

Tensor matmul(Context& ctx, const Tensor& x, const Tensor& weight) {
  require_shape(weight.shape().rank() == 2 && weight.dim(0) == x.dim(-1), "matmul",
                "weight must be (O=" + std::to_string(x.dim(-1)) + ", C)", weight.shape());
  Tensor out = ctx.empty(x.shape().with_last(weight.dim(1)));
  if (!ctx.meta()) {
    transposed_product_reference(ctx, view_of(weight), x.data<float>(), x.elements() / weight.dim(0),
                                 out.data<float>());
  }
  return out;
}

Tensor matmul_transposed(Context& ctx, const Tensor& x, const Tensor& weight) {
  require_shape(weight.shape().rank() == 2 && weight.dim(1) == x.dim(-1), "matmul_transposed",
                "weight must be (O, C=" + std::to_string(x.dim(-1)) + ")", weight.shape());
  Tensor out = ctx.empty(x.shape().with_last(weight.dim(0)));
  if (!ctx.meta()) {
    product_reference(ctx, view_of(weight), x.data<float>(), x.elements() / weight.dim(1), out.data<float>());
  }
  ctx.record({x, weight}, {&out}, [=](Context& back, std::span<const Tensor> dy) -> std::vector<Tensor> {
    return {wants_grad(x) ? matmul(back, dy[0], weight) : Tensor(),
            wants_grad(weight) ? weight_grad(back, dy[0], x, weight.shape()) : Tensor()};
  });
  return out;
}

}  // namespace linnet::ops
