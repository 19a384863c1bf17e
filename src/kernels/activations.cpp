#include "kernels/activations.hpp"

#include <algorithm>
#include <memory>

#include "base/check.hpp"
#include "base/large_memory.hpp"

namespace linnet::kernels {

namespace {

std::byte* kept_memory(int64_t bytes) {
  thread_local std::shared_ptr<std::byte> memory;
  thread_local int64_t size = 0;
  if (bytes > size) {
    memory = nullptr;  // first, so that both are never there
    memory = allocate_large(bytes);
    size = bytes;
  }
  return memory.get();
}

int64_t whole_lines(int64_t bytes) {
  return (bytes + kLine - 1) / kLine * kLine;
}

}  // namespace

void ActivationRows::put(const float* x, int64_t x_stride, int64_t first, int64_t rows, int64_t first_col,
                         int64_t count) const {
  const int64_t groups = count / kGroup;
  const int64_t end = first + rows;
  for (int64_t r = first; r < end;) {
    const float* from = x + (r - first) * x_stride;
    switch (kind.form) {
      case ActivationKind::Form::kFloats:
        std::copy_n(from, count, reinterpret_cast<float*>(at + r * kind.row_bytes(cols)) + first_col);
        ++r;
        break;
      case ActivationKind::Form::kGroups:
        kernels->floats->quantise[kind.terms - 1](
            from, groups, kind.offset, kind.scales,
            reinterpret_cast<ActGroup*>(at + r * kind.row_bytes(cols) + kind.row_bytes(first_col)));
        ++r;
        break;
      case ActivationKind::Form::kTiles: {
        const int64_t top = r / kTileHeight * kTileHeight;
        const int64_t tile_bytes = std::min(kTileHeight, n - top) * kTileRowBytes;
        const int64_t last = std::min(end, top + kTileHeight);
        kernels->tiles->tile_rows(
            from, x_stride, last - r, groups,
            at + top * kind.row_bytes(cols) + first_col / kGroup * tile_bytes + (r - top) * kTileRowBytes, tile_bytes);
        r = last;
        break;
      }
    }
  }
}

Activations::Activations(int64_t bytes) : memory_(kept_memory(bytes)), size_(bytes) {}

int64_t Activations::bytes_to_want(const PanelMatrix& matrix, int64_t n) {
  return matrix.activations().form == ActivationKind::Form::kFloats ? 0 : bytes_of_room(matrix, n);
}

int64_t Activations::bytes_of_room(const PanelMatrix& matrix, int64_t n) {
  return whole_lines(n * matrix.activations().row_bytes(matrix.panels().cols()));
}

std::byte* Activations::take(int64_t bytes) {
  std::byte* piece = memory_ + used_;
  used_ += bytes;
  CHECK(used_ <= size_);
  return piece;
}

const std::byte* Activations::want(const PanelMatrix& matrix, const float* x, int64_t x_stride, int64_t n) {
  const ActivationKind kind = matrix.activations();
  const int64_t cols = matrix.panels().cols();
  if (kind.form == ActivationKind::Form::kFloats) {
    CHECK(x_stride == cols);
    return reinterpret_cast<const std::byte*>(x);
  }
  for (const Wanted& one : wanted_) {
    const bool same_rows = one.x == x && one.x_stride == x_stride && one.rows.n == n && one.rows.cols == cols;
    if (same_rows && one.rows.kind == kind) return one.rows.at;
  }
  wanted_.push_back({x, x_stride, room(matrix, n), rows_});
  rows_ += n;
  return wanted_.back().rows.at;
}

ActivationRows Activations::room(const PanelMatrix& matrix, int64_t n) {
  return {&matrix.kernels(), matrix.activations(), n, matrix.panels().cols(), take(bytes_of_room(matrix, n))};
}

void Activations::make(ThreadPool& pool) const {
  constexpr int64_t kRowsWorthAThread = 8;
  pool.parallel_for(rows_, kRowsWorthAThread, [&](int64_t begin, int64_t end, int) {
    for (const auto& [x, x_stride, rows, first_row] : wanted_) {
      const int64_t first = std::max(begin - first_row, int64_t{0});
      const int64_t last = std::min(end - first_row, rows.n);
      if (first < last) rows.put(x + first * x_stride, x_stride, first, last - first, 0, rows.cols);
    }
  });
}

}  // namespace linnet::kernels
