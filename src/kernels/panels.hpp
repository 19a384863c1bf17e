// The packed bytes of a matrix, and where products with them write.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.hpp"
#include "kernels/pack.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// The panels of a matrix (kernels/panel.hpp), packed in parallel. Movable. Thread safety: const methods are safe
// together.
class Panels {
 public:
  // release: as KernelTable::pack has it.
  Panels(const PanelCoder& coder, ThreadPool& pool, const MatrixView& matrix, const ReleaseBytes& release);

  // Of a matrix that somebody else writes.
  Panels(const PanelCoder& coder, int64_t rows, int64_t cols);

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * panel_bytes_; }
  int64_t panel_bytes() const { return panel_bytes_; }
  const std::byte* panel(int64_t p) const { return bytes_.get() + p * panel_bytes_; }
  std::byte* panel(int64_t p) { return bytes_.get() + p * panel_bytes_; }
  int rows_in(int64_t p) const;
  void unpack_row(int64_t row, float* out) const;

 private:
  // Panels [first, last).
  void pack(ThreadPool& pool, const MatrixView& matrix, int64_t first, int64_t last);

  const PanelCoder* coder_;
  int64_t rows_;
  int64_t cols_;
  int64_t count_;
  int64_t panel_bytes_;
  std::shared_ptr<std::byte> bytes_;
};

// Where a run of panels writes: the outputs of its first panel for row r from at + r * stride on, those of the next
// panel beside them.
struct Strip {
  float* at;
  int64_t stride;

  Strip panel(int64_t p) const { return {at + p * kPanelRows, stride}; }
};

// Where panels [p, p + count) write n rows: straight into `wanted`, or, past the last row of the matrix, into a buffer
// first.
class PanelOutput {
 public:
  PanelOutput(const Panels& panels, int64_t p, int64_t count, Strip wanted, int64_t n);
  float* data() { return tail_.empty() ? wanted_.at : tail_.data(); }
  int64_t stride() const { return tail_.empty() ? wanted_.stride : width_; }
  void finish();

 private:
  Strip wanted_;
  int64_t width_;         // of all panels
  int64_t wanted_width_;  // of what the matrix has
  int64_t n_;
  std::vector<float> tail_;
};

}  // namespace linnet::kernels
