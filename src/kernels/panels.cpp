#include "kernels/panels.hpp"

#include <algorithm>

#include "base/large_memory.hpp"

namespace linnet::kernels {

Panels::Panels(const PanelCoder& coder, int64_t rows, int64_t cols)
    : coder_(&coder),
      rows_(rows),
      cols_(cols),
      count_((rows + kPanelRows - 1) / kPanelRows),
      panel_bytes_(cols / coder.super_columns * coder.super_bytes),
      bytes_(allocate_large(count_ * panel_bytes_)) {}

Panels::Panels(const PanelCoder& coder, ThreadPool& pool, const MatrixView& matrix, const ReleaseBytes& release)
    : Panels(coder, matrix.rows, matrix.cols) {
  // An embedding is a large part of a small model: whole, its two copies would be the most that is ever held.
  constexpr int64_t kPieceBytes = 1 << 24;
  const int64_t piece = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(panel_bytes_, 1));
  for (int64_t first = 0; first < count_; first += piece) {
    const int64_t last = std::min(first + piece, count_);
    pack(pool, matrix, first, last);
    if (!release) continue;
    const int64_t row = first * kPanelRows;
    const int64_t rows = std::min(last * kPanelRows, rows_) - row;
    release({matrix.bytes + row * matrix.row_bytes(), static_cast<size_t>(rows * matrix.row_bytes())});
  }
}

int Panels::rows_in(int64_t p) const {
  return static_cast<int>(std::min<int64_t>(kPanelRows, rows_ - p * kPanelRows));
}

void Panels::unpack_row(int64_t row, float* out) const {
  coder_->unpack_row(panel(row / kPanelRows), cols_, static_cast<int>(row % kPanelRows), out);
}

void Panels::pack(ThreadPool& pool, const MatrixView& matrix, int64_t first, int64_t last) {
  constexpr int64_t kBytesWorthAThread = 1 << 16;
  const int64_t grain = std::max<int64_t>(1, kBytesWorthAThread / std::max<int64_t>(panel_bytes_, 1));
  pool.parallel_for(last - first, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = first + begin; p < first + end; ++p) {
      const std::byte* from[kPanelRows] = {};
      for (int i = 0; i < rows_in(p); ++i) from[i] = matrix.bytes + (p * kPanelRows + i) * matrix.row_bytes();
      coder_->pack(from, cols_, bytes_.get() + p * panel_bytes_);
    }
  });
}

PanelOutput::PanelOutput(const Panels& panels, int64_t p, int64_t count, Strip wanted, int64_t n)
    : wanted_(wanted),
      width_(count * kPanelRows),
      wanted_width_(std::min(width_, panels.rows() - p * kPanelRows)),
      n_(n) {
  if (wanted_width_ < width_) tail_.resize(static_cast<size_t>(n * width_));
}

void PanelOutput::finish() {
  if (tail_.empty()) return;
  for (int64_t r = 0; r < n_; ++r) {
    std::copy_n(tail_.data() + r * width_, wanted_width_, wanted_.at + r * wanted_.stride);
  }
}

}  // namespace linnet::kernels
