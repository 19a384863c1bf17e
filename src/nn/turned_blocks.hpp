// The way back through a frozen matrix of blocks: its transpose, in blocks of its own, where products with blocks are
// integer arithmetic.
//
// Gradients then have eight bits with a scale for each 32, as activations have on the way forth, and the turned weights
// eight or six (KernelTable::pack_turned), where those of the file have four to eight: six in blocks of 32 are still
// finer than the eight-bit floats that models are trained in (Micikevicius et al. 2022, arXiv:2209.05433). Gradients of
// what learns stay products of floats (Wortsman et al. 2023, arXiv:2304.13013, leaves the same one of the three
// products in more bits).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {

class TurnedBlocks {
 public:
  // W (O, C).
  struct Source {
    int64_t rows;  // O
    int64_t cols;  // C
    // Writes a row of it. Called from several threads.
    std::function<void(int64_t row, float* out)> decode_row;
  };
  // dx = dy · W, or that added to dx; and `plus`, where it is not null, as PackedProduct has it.
  struct Gradients {
    const float* dy;  // (n, O)
    int64_t n;
    float* dx;  // (n, C)
    bool add = false;
    const MatmulCall* plus = nullptr;
  };

  // Whether the kernels of `ctx` multiply so with a matrix of so many rows, and what keep() would take.
  static bool fit(const Context& ctx, int64_t rows);
  static int64_t bytes(int64_t rows, int64_t cols);

  // For many products.
  static std::shared_ptr<const TurnedBlocks> keep(Context& ctx, const Source& w);
  void product(Context& ctx, const Gradients& gradients) const;

  // The same bits for one product: a piece of the matrix is turned at a time.
  static void product_once(Context& ctx, const Source& w, const Gradients& gradients);

 private:
  int64_t rows_ = 0;
  std::vector<std::unique_ptr<PackedMatrix>> pieces_;  // (C, kPieceRows) each, the last what is left
};

}  // namespace linnet
