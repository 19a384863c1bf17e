#include "kernels/added_product.hpp"

#include "base/check.hpp"

namespace linnet::kernels {

namespace {

const MatmulKernels& products_of(const CpuKernels& kernels, const MatmulCall& call) {
  CHECK(call.packed && !call.a_transposed && !call.c_transposed && call.scale == 1 && !call.plus);
  return call.packed->numbers == DType::kBF16 ? kernels.pairs->matmul : kernels.floats->matmul;
}

}  // namespace

AddedProduct::AddedProduct(const CpuKernels& kernels, const MatmulCall& call, int64_t row, int64_t rows)
    : kernels_(products_of(kernels, call)),
      call_(call),
      rows_(rows),
      layout_(kernels_, call.k, call.n),
      a_panel_bytes_(layout_.panel_stride(kernels_.rows)),
      a_(whole(call.k, layout_.part()) * whole(rows, kernels_.rows) * a_panel_bytes_) {
  CHECK(kColumnUnit % kernels_.cols == 0);
  for (int64_t k = 0; k < call.k; k += layout_.part()) {
    const int64_t depth = std::min(layout_.part(), call.k - k);
    kernels_.pack_a(call.a + row * call.k + k, 1, call.k, depth, rows, kernels_.rows, a_panel_bytes_,
                    a_.data() + place_in_a(k, 0));
  }
}

int64_t AddedProduct::place_in_a(int64_t k, int64_t row) const {
  return (k / layout_.part() * whole(rows_, kernels_.rows) + row / kernels_.rows) * a_panel_bytes_;
}

void AddedProduct::add_to(float* y, int64_t stride, int64_t col, int64_t cols) const {
  CHECK(col % kColumnUnit == 0);
  if (kernels_.enter) kernels_.enter();
  for (int64_t k = 0; k < call_.k; k += layout_.part()) {
    const int64_t depth = std::min(layout_.part(), call_.k - k);
    for (int64_t row = 0; row < rows_; row += kernels_.rows) {
      for (int64_t j = 0; j < cols; j += kernels_.cols) {
        const std::byte* b = call_.packed->bytes.raw() + layout_.place(k, depth, (col + j) / kernels_.cols);
        float* at = y + row * stride + j;
        multiply_tile(kernels_, {a_.data() + place_in_a(k, row), b, depth}, {},
                      {.c = at, .stride = stride, .rows = rows_ - row, .cols = cols - j, .ahead = {.c = at}}, true);
      }
    }
  }
  if (kernels_.leave) kernels_.leave();
}

}  // namespace linnet::kernels
