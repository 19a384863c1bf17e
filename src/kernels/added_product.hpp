// A product of floats that is added to the outputs of a packed matrix while these are in a near cache: what a low-rank
// adapter adds. Thread safety: of one task.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/line_buffer.hpp"
#include "kernels/matmul_parts.hpp"

namespace linnet::kernels {

class AddedProduct {
 public:
  // For rows [row, row + rows) of call.a, whose b is packed. The call must outlive this.
  AddedProduct(const CpuKernels& kernels, const MatmulCall& call, int64_t row, int64_t rows);

  // y (rows, cols), a row every stride, += the columns from `col` on, a multiple of kColumnUnit.
  void add_to(float* y, int64_t stride, int64_t col, int64_t cols) const;
  static constexpr int64_t kColumnUnit = 32;

 private:
  // Where the panel of `row` begins, in the part of k that begins there.
  int64_t place_in_a(int64_t k, int64_t row) const;

  const MatmulKernels& kernels_;
  const MatmulCall& call_;
  int64_t rows_;
  OperandLayout layout_;
  int64_t a_panel_bytes_;
  LineBuffer a_;  // panels of all rows, for each part of k
};

}  // namespace linnet::kernels
