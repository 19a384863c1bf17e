#include "kernels/packed_matrix.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.hpp"
#include "kernels/line_buffer.hpp"
#include "kernels/pack.hpp"

namespace linnet::kernels {

namespace {

// The panels of a matrix, packed in parallel.
class Panels {
 public:
  Panels(const PanelCoder& coder, ThreadPool& pool, const MatrixView& matrix)
      : coder_(&coder),
        rows_(matrix.rows),
        cols_(matrix.cols),
        count_((matrix.rows + kPanelRows - 1) / kPanelRows),
        panel_bytes_(matrix.cols / coder.super_columns * coder.super_bytes),
        buffer_(count_ * panel_bytes_) {
    constexpr int64_t kBytesWorthAThread = 1 << 16;
    const int64_t grain = std::max<int64_t>(1, kBytesWorthAThread / std::max<int64_t>(panel_bytes_, 1));
    pool.parallel_for(count_, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) {
        const std::byte* from[kPanelRows] = {};
        for (int i = 0; i < rows_in(p); ++i) from[i] = matrix.bytes + (p * kPanelRows + i) * matrix.row_bytes();
        coder.pack(from, cols_, buffer_.data() + p * panel_bytes_);
      }
    });
  }

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * panel_bytes_; }
  int64_t panel_bytes() const { return panel_bytes_; }
  const std::byte* panel(int64_t p) const { return buffer_.data() + p * panel_bytes_; }
  int rows_in(int64_t p) const { return static_cast<int>(std::min<int64_t>(kPanelRows, rows_ - p * kPanelRows)); }

  void unpack_row(int64_t row, float* out) const {
    coder_->unpack_row(panel(row / kPanelRows), cols_, static_cast<int>(row % kPanelRows), out);
  }

 private:
  const PanelCoder* coder_;
  int64_t rows_;
  int64_t cols_;
  int64_t count_;
  int64_t panel_bytes_;
  LineBuffer buffer_;
};

// Where a panel writes n rows of y (n, rows): straight into y, or, past the last row of the matrix, into a buffer
// first.
class PanelOutput {
 public:
  PanelOutput(const Panels& panels, int64_t p, float* y, int64_t n)
      : y_(y + p * kPanelRows), rows_(panels.rows()), lanes_(panels.rows_in(p)), n_(n) {
    if (lanes_ < kPanelRows) tail_.resize(static_cast<size_t>(n) * kPanelRows);
  }
  float* data() { return tail_.empty() ? y_ : tail_.data(); }
  int64_t stride() const { return tail_.empty() ? rows_ : kPanelRows; }
  void finish() {
    if (tail_.empty()) return;
    for (int64_t r = 0; r < n_; ++r) {
      std::copy_n(tail_.data() + r * kPanelRows, lanes_, y_ + r * rows_);
    }
  }

 private:
  float* y_;
  int64_t rows_;
  int lanes_;
  int64_t n_;
  std::vector<float> tail_;
};

// Panels for one task: enough work to be worth handing out, and several tasks per thread, so that cores of unequal
// speed finish together.
int64_t panels_per_task(const Panels& panels, int64_t n, int threads) {
  constexpr int64_t kWorthATask = 1 << 17;  // multiply-adds; about 2 µs
  const int64_t least = kWorthATask / std::max<int64_t>(1, kPanelRows * panels.cols() * n) + 1;
  const int64_t most = (panels.count() + threads * 4 - 1) / (threads * 4);
  return std::max<int64_t>(1, std::min(std::max(least, most), (panels.count() + threads - 1) / threads));
}

class QuantMatrix final : public PackedMatrix {
 public:
  QuantMatrix(const CpuKernels& kernels, const QuantKernels& quant, const PanelCoder& coder, ThreadPool& pool,
              const MatrixView& matrix)
      : kernels_(&kernels), quant_(&quant), panels_(coder, pool, matrix) {}

  void product(ThreadPool& pool, const float* x, int64_t n, float* y) const override {
    const int64_t groups = panels_.cols() / kGroup;
    const auto quantised = std::make_unique_for_overwrite<ActGroup[]>(static_cast<size_t>(n * groups));
    pool.parallel_for(n, kRowsWorthAThread, [&](int64_t begin, int64_t end, int) {
      kernels_->quantise(x + begin * panels_.cols(), (end - begin) * groups, quant_->offset, quant_->scales,
                         quantised.get() + begin * groups);
    });
    if (n < kFewRows) {
      few_rows(pool, quantised.get(), n, y);
    } else {
      many_rows(pool, quantised.get(), n, y);
    }
  }
  void gather(int64_t row, float* out) const override { panels_.unpack_row(row, out); }
  int64_t bytes() const override { return panels_.bytes(); }

 private:
  static constexpr int64_t kRowsWorthAThread = 16;
  // Below this many rows a panel is cheaper to unpack for each of them, in registers, than to spread in memory.
  static constexpr int64_t kFewRows = 3;
  // Activations of a block of rows stay in the second cache while panels pass by.
  static constexpr int64_t kBlockBytes = 1 << 19;
  static constexpr int64_t kRowMultiple = 24;  // of every tile's height

  void few_rows(ThreadPool& pool, const ActGroup* x, int64_t n, float* y) const {
    const int64_t groups = panels_.cols() / kGroup;
    pool.parallel_for(panels_.count(), panels_per_task(panels_, n, pool.size()), [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) {
        for (int64_t r = 0; r < n; ++r) {
          alignas(64) float out[kPanelRows];
          quant_->one_row(panels_.panel(p), groups, x + r * groups, out);
          std::copy_n(out, panels_.rows_in(p), y + r * panels_.rows() + p * kPanelRows);
        }
      }
    });
  }

  void many_rows(ThreadPool& pool, const ActGroup* x, int64_t n, float* y) const {
    const int64_t groups = panels_.cols() / kGroup;
    const int64_t fitting = kBlockBytes / (groups * static_cast<int64_t>(sizeof(ActGroup)));
    const int64_t block = std::max(kRowMultiple, fitting / kRowMultiple * kRowMultiple);
    const int64_t grain = panels_per_task(panels_, std::min(n, block), pool.size());
    const int64_t tasks = (panels_.count() + grain - 1) / grain;
    const int64_t blocks = (n + block - 1) / block;
    pool.parallel_for(blocks * tasks, 1, [&](int64_t begin, int64_t end, int) {
      LineBuffer wide(groups * quant_->wide_group_bytes);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t row = task / tasks * block;
        const int64_t rows = std::min(block, n - row);
        const int64_t first = task % tasks * grain;
        for (int64_t p = first; p < std::min(first + grain, panels_.count()); ++p) {
          quant_->spread(panels_.panel(p), groups, wide.data());
          PanelOutput out(panels_, p, y + row * panels_.rows(), rows);
          quant_->many_rows(wide.data(), groups, x + row * groups, rows, out.data(), out.stride());
          out.finish();
        }
      }
    });
  }

  const CpuKernels* kernels_;
  const QuantKernels* quant_;
  Panels panels_;
};

class FloatMatrix final : public PackedMatrix {
 public:
  FloatMatrix(FloatProduct kernel, const PanelCoder& coder, ThreadPool& pool, const MatrixView& matrix)
      : kernel_(kernel), panels_(coder, pool, matrix) {}

  void product(ThreadPool& pool, const float* x, int64_t n, float* y) const override {
    const int64_t fitting = kBlockBytes / (panels_.cols() * static_cast<int64_t>(sizeof(float)));
    const int64_t block = std::max(kRowMultiple, fitting / kRowMultiple * kRowMultiple);
    const int64_t grain = panels_per_task(panels_, std::min(n, block), pool.size());
    const int64_t tasks = (panels_.count() + grain - 1) / grain;
    const int64_t blocks = (n + block - 1) / block;
    pool.parallel_for(blocks * tasks, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t row = task / tasks * block;
        const int64_t rows = std::min(block, n - row);
        const int64_t first = task % tasks * grain;
        for (int64_t p = first; p < std::min(first + grain, panels_.count()); ++p) {
          PanelOutput out(panels_, p, y + row * panels_.rows(), rows);
          kernel_(panels_.panel(p), panels_.cols(), x + row * panels_.cols(), rows, out.data(), out.stride());
          out.finish();
        }
      }
    });
  }
  void gather(int64_t row, float* out) const override { panels_.unpack_row(row, out); }
  int64_t bytes() const override { return panels_.bytes(); }

 private:
  static constexpr int64_t kBlockBytes = 1 << 19;
  static constexpr int64_t kRowMultiple = 12;

  FloatProduct kernel_;
  Panels panels_;
};

const QuantKernels* quant_kernels(const CpuKernels& kernels, QuantType type) {
  switch (type) {
    case QuantType::kQ4_0:
      return &kernels.q4_0;
    case QuantType::kQ4_1:
      return &kernels.q4_1;
    case QuantType::kQ5_0:
      return &kernels.q5_0;
    case QuantType::kQ5_1:
      return &kernels.q5_1;
    case QuantType::kQ8_0:
      return &kernels.q8_0;
    case QuantType::kQ2_K:
      return &kernels.q2_k;
    case QuantType::kQ3_K:
      return &kernels.q3_k;
    case QuantType::kQ4_K:
      return &kernels.q4_k;
    case QuantType::kQ5_K:
      return &kernels.q5_k;
    case QuantType::kQ6_K:
      return &kernels.q6_k;
    case QuantType::kIQ4_NL:
      return &kernels.iq4_nl;
    case QuantType::kIQ4_XS:
      return &kernels.iq4_xs;
    case QuantType::kMXFP4:
      return &kernels.mxfp4;
    default:
      return nullptr;
  }
}

FloatProduct float_kernel(const CpuKernels& kernels, QuantType type) {
  switch (type) {
    case QuantType::kF32:
      return kernels.f32;
    case QuantType::kF16:
      return kernels.f16;
    case QuantType::kBF16:
      return kernels.bf16;
    default:
      return nullptr;
  }
}

}  // namespace

std::unique_ptr<PackedMatrix> pack_matrix(const CpuKernels& kernels, ThreadPool& pool, const MatrixView& matrix) {
  CHECK(matrix.format != nullptr && matrix.rows >= 0 && matrix.cols >= 0);
  const QuantType type = matrix.format->type;
  const PanelCoder* coder = panel_coder(type);
  if (!coder || matrix.rows == 0 || matrix.cols == 0 || matrix.cols % coder->super_columns != 0) return nullptr;
  if (const QuantKernels* quant = quant_kernels(kernels, type)) {
    return std::make_unique<QuantMatrix>(kernels, *quant, *coder, pool, matrix);
  }
  return std::make_unique<FloatMatrix>(float_kernel(kernels, type), *coder, pool, matrix);
}

}  // namespace linnet::kernels
