#include "nn/turned_blocks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "quant/encode_numbers.hpp"
#include "quant/q8_0.hpp"

namespace linnet {

namespace {

constexpr int64_t kGroup = 32;
// Of W's rows, whose gradients lie in the second cache with a block of rows of dy: those of a head would not. Sums go
// from piece to piece, so this decides their bits.
constexpr int64_t kPieceRows = 2048;

// The columns of kGroup rows, (kGroup, cols), as a block each, `stride` bytes apart. Sixteen at a time, in vectors.
void encode_columns(const float* rows, int64_t cols, std::byte* out, int64_t stride) {
  constexpr size_t kAtOnce = 16;
  const auto width = static_cast<size_t>(cols);
  for (size_t first = 0; first < width; first += kAtOnce) {
    const size_t count = std::min(kAtOnce, width - first);
    std::array<BlockQ8_0, kAtOnce> blocks;
    std::array<float, kAtOnce> most{};
    for (size_t i = 0; i < kGroup; ++i) {
      for (size_t j = 0; j < count; ++j) most[j] = std::max(most[j], std::fabs(rows[i * width + first + j]));
    }
    for (size_t j = 0; j < count; ++j) {
      const float scale = most[j] / 127;
      blocks[j].d = to_half(scale);
      most[j] = inverse_or_zero(scale);
    }
    for (size_t i = 0; i < kGroup; ++i) {
      for (size_t j = 0; j < count; ++j) {
        blocks[j].qs[i] = static_cast<int8_t>(nearest_int(rows[i * width + first + j] * most[j]));
      }
    }
    for (size_t j = 0; j < count; ++j)
      std::memcpy(out + static_cast<int64_t>(first + j) * stride, &blocks[j], sizeof(BlockQ8_0));
  }
}

// Rows [begin, begin + kPieceRows) of W, or as many as there are, turned and packed.
std::unique_ptr<PackedMatrix> turn(Context& ctx, const TurnedBlocks::Source& w, int64_t begin) {
  const QuantFormat& format = quant_format(QuantType::kQ8_0);
  const int64_t rows = std::min(kPieceRows, w.rows - begin);
  MatrixView turned{&format, nullptr, w.cols, rows};
  Tensor blocks = ctx.empty(DType::kU8, {turned.rows * turned.row_bytes()});
  turned.bytes = blocks.raw();
  constexpr int64_t kWork = 8;  // operations for a number
  ctx.for_rows(rows / kGroup, kGroup * w.cols * kWork, [&](int64_t first, int64_t last) {
    std::vector<float> group(static_cast<size_t>(kGroup * w.cols));
    for (int64_t g = first; g < last; ++g) {
      for (int64_t i = 0; i < kGroup; ++i) w.decode_row(begin + g * kGroup + i, group.data() + i * w.cols);
      encode_columns(group.data(), w.cols, blocks.raw() + g * format.block_bytes, turned.row_bytes());
    }
  });
  return ctx.kernels().pack(ctx.pool(), turned, ActivationBits::k8, {});
}

// The part of it that the rows of W from `begin`, of all `rows`, give.
void add_piece(Context& ctx, const PackedMatrix& piece, int64_t rows, int64_t begin,
               const TurnedBlocks::Gradients& gradients) {
  const auto& [dy, n, dx, add] = gradients;
  const PackedProduct product{
      .matrix = &piece, .x = dy + begin, .n = n, .y = dx, .x_stride = rows, .add = add || begin > 0};
  ctx.kernels().products_together(ctx.pool(), {&product, 1});
}

}  // namespace

bool TurnedBlocks::fit(const Context& ctx, int64_t rows) {
  return ctx.kernels().integer_blocks && rows % kGroup == 0;
}

int64_t TurnedBlocks::bytes(int64_t rows, int64_t cols) {
  return rows / kGroup * quant_format(QuantType::kQ8_0).block_bytes * cols;
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
    constexpr int64_t kTwice = 2;  // a piece as it is turned, and packed
    ctx.empty(DType::kU8, {kTwice * bytes(std::min(kPieceRows, w.rows), w.cols)});
    return;
  }
  for (int64_t begin = 0; begin < w.rows; begin += kPieceRows) {
    add_piece(ctx, *turn(ctx, w, begin), w.rows, begin, gradients);
  }
}

}  // namespace linnet
