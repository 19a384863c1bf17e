// What every way through a matrix product shares: where a packed b lies, and one tile of c.
#pragma once

#include <algorithm>

#include "kernels/cpu/cpu_kernels.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

constexpr int64_t whole(int64_t count, int64_t unit) {
  return (count + unit - 1) / unit;
}

constexpr int64_t kLineBytes = 64;

// A packed b: in panels of columns, all panels of the first part of k, then those of the next.
class OperandLayout {
 public:
  OperandLayout(const MatmulKernels& kernels, int64_t k, int64_t n)
      : kernels_(&kernels),
        k_(k),
        panels_(whole(n, kernels.cols)),
        part_(padded(whole(k, std::max<int64_t>(whole(k, kernels.depth), 1)))) {}

  // Sums over k are cut in equal parts, by k alone: the bits of a row of c hang on its own row of a and on b.
  int64_t part() const { return part_; }
  int64_t panels() const { return panels_; }
  // From panel to panel of a part, of either side, where they are packed for one product alone: whole lines, and a line
  // apart, since all would meet in few sets of the first cache if they lay a power of two apart.
  int64_t panel_stride(int64_t width) const {
    return (whole(part_ * kernels_->number_bytes * width, kLineBytes) + 1) * kLineBytes;
  }
  int64_t bytes() const { return column_bytes() * panels_ * padded(k_); }
  // Of panel `number` in the part that begins at k and has `depth`.
  int64_t place(int64_t k, int64_t depth, int64_t number) const {
    return column_bytes() * (k * panels_ + number * padded(depth));
  }

 private:
  // Of k, in a panel that holds so many.
  int64_t padded(int64_t k) const { return whole(k, kernels_->depth_unit) * kernels_->depth_unit; }
  int64_t column_bytes() const { return int64_t{kernels_->number_bytes} * kernels_->cols; }

  const MatmulKernels* kernels_;
  int64_t k_;
  int64_t panels_;
  int64_t part_;
};

// Bytes that no packed b exceeds, whatever the kernels.
inline int64_t most_operand_bytes(int64_t k, int64_t n) {
  constexpr int64_t kMostCols = 32;
  constexpr int64_t kMostUnit = 32;
  return whole(n, kMostCols) * kMostCols * whole(k, kMostUnit) * kMostUnit * static_cast<int64_t>(sizeof(float));
}

inline int64_t c_stride(const MatmulCall& call) {
  return call.c_transposed ? call.m : call.n;
}
inline float* place_in_c(const MatmulCall& call, int64_t row, int64_t col) {
  return call.c + (call.c_transposed ? col * call.m + row : row * call.n + col);
}

// A tile of c, of which c may hold a part only.
struct TilePlace {
  float* c;
  int64_t stride;  // numbers from row to row
  int64_t rows;    // that c has from here on
  int64_t cols;
  TileAhead ahead;
  bool turned = false;     // c lies as its transpose
  bool in_column = false;  // see MatmulKernels::tile_of_column
};

// The tile (+)= the products of two panels each.
inline void multiply_tile(const MatmulKernels& kernels, const TileFactors& factors, const TileFactors& plus,
                          const TilePlace& at, bool add) {
  const auto multiply = at.in_column ? kernels.tile_of_column : kernels.tile;
  if (!at.turned && at.rows >= kernels.rows && at.cols >= kernels.cols) {
    return multiply(factors, plus, at.c, at.stride, add, at.ahead);
  }
  const int64_t rows = std::min<int64_t>(at.rows, kernels.rows);
  const int64_t cols = std::min<int64_t>(at.cols, kernels.cols);
  alignas(64) float tile[kMostTileFloats] = {};
  TileAhead ahead = at.ahead;
  ahead.c = tile;
  if (at.turned) {
    if (add) kernels.turn(at.c, at.stride, cols, rows, tile, kernels.cols);
    multiply(factors, plus, tile, kernels.cols, add, ahead);
    return kernels.turn(tile, kernels.cols, rows, cols, at.c, at.stride);
  }
  for (int64_t r = 0; add && r < rows; ++r) std::copy_n(at.c + r * at.stride, cols, tile + r * kernels.cols);
  multiply(factors, plus, tile, kernels.cols, add, ahead);
  for (int64_t r = 0; r < rows; ++r) std::copy_n(tile + r * kernels.cols, cols, at.c + r * at.stride);
}

}  // namespace linnet::kernels
