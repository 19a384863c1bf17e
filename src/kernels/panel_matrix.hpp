// A matrix in panels, whatever multiplies it, and how its products are cut into tasks.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/panels.hpp"

namespace linnet::kernels {

// What a product reads of its activations: floats, groups of integers with what the format's offset asks for, or tiles
// of bfloat16.
struct ActivationKind {
  enum class Form : uint8_t { kFloats, kGroups, kTiles };
  Form form = Form::kFloats;
  int terms = 0;  // of a quantised group; this and the next are those of kGroups
  int offset = 0;
  int scales = 0;
  bool operator==(const ActivationKind&) const = default;

  int64_t row_bytes(int64_t cols) const {
    switch (form) {
      case Form::kFloats:
        return cols * static_cast<int64_t>(sizeof(float));
      case Form::kGroups:
        return cols / kGroup * terms * static_cast<int64_t>(sizeof(ActGroup));
      case Form::kTiles:
        return cols * static_cast<int64_t>(sizeof(uint16_t));
    }
    return 0;
  }
};

// How the products of a matrix with n rows are cut into tasks: blocks of rows whose activations stay in the second
// cache while panels pass by, times runs of panels.
struct Plan {
  int64_t row_block = 0;
  int64_t panels = 0;           // of one task
  int64_t tasks_per_block = 0;  // cover all panels
  int64_t tasks = 0;
};

class PanelMatrix : public PackedMatrix {
 public:
  // `kernels` must outlive this.
  PanelMatrix(const CpuKernels& kernels, Panels panels) : kernels_(&kernels), panels_(std::move(panels)) {}

  void product(ThreadPool& pool, const float* x, int64_t n, float* y) const final;
  void gather(int64_t row, float* out) const final { panels_.unpack_row(row, out); }
  int64_t bytes() const final { return panels_.bytes(); }

  const CpuKernels& kernels() const { return *kernels_; }
  const Panels& panels() const { return panels_; }
  virtual ActivationKind activations() const = 0;
  // Panels [begin, end) times `rows` rows of x, which are of that kind.
  virtual void run(const std::byte* x, int64_t rows, int64_t begin, int64_t end, Strip y) const = 0;

  // For products of n rows by as many threads.
  Plan plan(int64_t n, int threads) const;
  // The same in pairs of panels, which are never parted; and of one with as many, unless it is null.
  Plan plan_pairs(int64_t n, int threads, const PanelMatrix* other = nullptr) const;

 protected:
  // Below this many rows a panel is cheaper to unpack for each of them, in registers, than to spread in memory.
  static constexpr int64_t kFewRows = 3;

  // Rows of activations that stay in the second cache: at most `bytes`, and a multiple of every tile's height. Threads
  // have blocks of their own, so that rows stay where they are from op to op, from `worth_a_thread` rows for each on:
  // with fewer, decoding a panel once more for each block costs more.
  struct BlockOfRows {
    int64_t bytes;
    int64_t multiple;
    int64_t worth_a_thread;
  };
  virtual BlockOfRows block_of_rows() const { return {1 << 19, 24, 96}; }

 private:
  // What a task takes some of: panels, or pairs of them.
  struct Units {
    int64_t count;
    int64_t bytes;
    int64_t multiple;  // that tasks take
  };
  Plan plan_units(int64_t n, int threads, const Units& units, const BlockOfRows& block) const;

  const CpuKernels* kernels_;
  Panels panels_;
};

}  // namespace linnet::kernels
