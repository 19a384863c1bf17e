#include "nn/turned_blocks.hpp"

#include <algorithm>

namespace linnet {

namespace {

constexpr int64_t kNumbersOfBlock = 32;
// Of W's rows, whose gradients lie in the second cache with a block of rows of dy: those of a head would not. Sums go
// from piece to piece, so this decides their bits.
constexpr int64_t kPieceRows = 2048;

// Rows [begin, begin + kPieceRows) of W, or as many as there are, turned.
std::unique_ptr<PackedMatrix> turn(Context& ctx, const TurnedBlocks::Source& w, int64_t begin) {
  return ctx.kernels().pack_turned(ctx.pool(), {begin, std::min(kPieceRows, w.rows - begin), w.cols, w.decode_row});
}

// The part of it that the rows of W from `begin`, of all `rows`, give; the last adds `plus`.
void add_piece(Context& ctx, const PackedMatrix& piece, int64_t rows, int64_t begin,
               const TurnedBlocks::Gradients& gradients) {
  const PackedProduct product{.matrix = &piece,
                              .x = gradients.dy + begin,
                              .n = gradients.n,
                              .y = gradients.dx,
                              .x_stride = rows,
                              .add = gradients.add || begin > 0,
                              .plus = begin + kPieceRows >= rows ? gradients.plus : nullptr};
  ctx.kernels().products_together(ctx.pool(), {&product, 1});
}

}  // namespace

bool TurnedBlocks::fit(const Context& ctx, int64_t rows) {
  return ctx.kernels().pack_turned && rows % kNumbersOfBlock == 0;
}

int64_t TurnedBlocks::bytes(int64_t rows, int64_t cols) {
  constexpr int64_t kBlockBytes = kNumbersOfBlock + 2;  // a byte for each number, and a half for all
  return rows / kNumbersOfBlock * kBlockBytes * cols;
}

std::shared_ptr<const TurnedBlocks> TurnedBlocks::keep(Context& ctx, const Source& w) {
  auto turned = std::make_shared<TurnedBlocks>();
  turned->rows_ = w.rows;
  for (int64_t begin = 0; begin < w.rows; begin += kPieceRows) turned->pieces_.push_back(turn(ctx, w, begin));
  return turned;
}

void TurnedBlocks::product(Context& ctx, const Gradients& gradients) const {
  int64_t begin = 0;
  for (const auto& piece : pieces_) {
    add_piece(ctx, *piece, rows_, begin, gradients);
    begin += kPieceRows;
  }
}

void TurnedBlocks::product_once(Context& ctx, const Source& w, const Gradients& gradients) {
  if (ctx.meta()) {
    ctx.empty(DType::kU8, {bytes(std::min(kPieceRows, w.rows), w.cols)});
    return;
  }
  for (int64_t begin = 0; begin < w.rows; begin += kPieceRows) {
    add_piece(ctx, *turn(ctx, w, begin), w.rows, begin, gradients);
  }
}

}  // namespace linnet
