// Activations in the kinds that matrices ask for.
#pragma once

#include <vector>

#include "base/thread_pool.hpp"
#include "kernels/panel_matrix.hpp"

namespace linnet::kernels {

// Rows (n, cols) of one kind, in memory that somebody else keeps.
struct ActivationRows {
  const CpuKernels* kernels;
  ActivationKind kind;
  int64_t n;
  int64_t cols;
  std::byte* at;

  // Writes columns [first_col, first_col + count) of rows [first, first + rows), given with a row every x_stride
  // floats. All of them multiples of a group; rows of one tile belong to one thread, unless all columns are written at
  // once.
  void put(const float* x, int64_t x_stride, int64_t first, int64_t rows, int64_t first_col, int64_t count) const;
};

// Those of some products, each made once. In memory that this thread keeps for its next products, since the system
// clears the pages of new memory each time: one of these at a time on a thread.
class Activations {
 public:
  // bytes: the sum of what all that will be asked for takes.
  explicit Activations(int64_t bytes);
  static int64_t bytes_to_want(const PanelMatrix& matrix, int64_t n);
  static int64_t bytes_of_room(const PanelMatrix& matrix, int64_t n);

  // Where the activations of `x` (n, cols), a row every x_stride floats, for `matrix` will be once make() was called; x
  // itself, where it takes floats, of which the rows must lie one after the other.
  const std::byte* want(const PanelMatrix& matrix, const float* x, int64_t x_stride, int64_t n);
  // Where somebody else puts those for `matrix`.
  ActivationRows room(const PanelMatrix& matrix, int64_t n);
  void make(ThreadPool& pool) const;

 private:
  struct Wanted {
    const float* x;
    int64_t x_stride;
    ActivationRows rows;
    int64_t first_row;  // among those of all
  };
  std::byte* take(int64_t bytes);

  std::byte* memory_;
  int64_t size_;
  int64_t used_ = 0;
  std::vector<Wanted> wanted_;
  int64_t rows_ = 0;
};

}  // namespace linnet::kernels
