#include "kernels/packed_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "base/large_memory.hpp"
#include "kernels/line_buffer.hpp"
#include "kernels/pack.hpp"

namespace linnet::kernels {

namespace {

// The panels of a matrix, packed in parallel.
class Panels {
 public:
  Panels(const PanelCoder& coder, ThreadPool& pool, const MatrixView& matrix, const ReleaseBytes& release)
      : coder_(&coder),
        rows_(matrix.rows),
        cols_(matrix.cols),
        count_((matrix.rows + kPanelRows - 1) / kPanelRows),
        panel_bytes_(matrix.cols / coder.super_columns * coder.super_bytes),
        bytes_(allocate_large(count_ * panel_bytes_)) {
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

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * panel_bytes_; }
  int64_t panel_bytes() const { return panel_bytes_; }
  const std::byte* panel(int64_t p) const { return bytes_.get() + p * panel_bytes_; }
  int rows_in(int64_t p) const { return static_cast<int>(std::min<int64_t>(kPanelRows, rows_ - p * kPanelRows)); }

  void unpack_row(int64_t row, float* out) const {
    coder_->unpack_row(panel(row / kPanelRows), cols_, static_cast<int>(row % kPanelRows), out);
  }

 private:
  // Panels [first, last).
  void pack(ThreadPool& pool, const MatrixView& matrix, int64_t first, int64_t last) {
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

  const PanelCoder* coder_;
  int64_t rows_;
  int64_t cols_;
  int64_t count_;
  int64_t panel_bytes_;
  std::shared_ptr<std::byte> bytes_;
};

// Where `panels` panels from p on write n rows of y (n, rows): straight into y, or, past the last row of the matrix,
// into a buffer first.
class PanelOutput {
 public:
  PanelOutput(const Panels& panels, int64_t p, int64_t count, float* y, int64_t n)
      : y_(y + p * kPanelRows),
        rows_(panels.rows()),
        wanted_(std::min(count * kPanelRows, panels.rows() - p * kPanelRows)),
        width_(count * kPanelRows),
        n_(n) {
    if (wanted_ < width_) tail_.resize(static_cast<size_t>(n * width_));
  }
  float* data() { return tail_.empty() ? y_ : tail_.data(); }
  int64_t stride() const { return tail_.empty() ? rows_ : width_; }
  void finish() {
    if (tail_.empty()) return;
    for (int64_t r = 0; r < n_; ++r) std::copy_n(tail_.data() + r * width_, wanted_, y_ + r * rows_);
  }

 private:
  float* y_;
  int64_t rows_;
  int64_t wanted_;
  int64_t width_;
  int64_t n_;
  std::vector<float> tail_;
};

// How the products of a matrix with n rows are cut into tasks: blocks of rows whose activations stay in the second
// cache while panels pass by, times runs of panels.
struct Plan {
  int64_t row_block = 0;
  int64_t panels = 0;           // of one task
  int64_t tasks_per_block = 0;  // cover all panels
  int64_t tasks = 0;
};

// Below this many rows a panel is cheaper to unpack for each of them, in registers, than to spread in memory.
constexpr int64_t kFewRows = 3;

// The run of panels (pairs of them, where there are many rows) that leaves the slowest of equally fast threads the
// least to do; the shortest such run, so that cores of unequal speed finish together too.
int64_t panels_per_task(int64_t panels, int64_t panel_bytes, int64_t n, int threads) {
  constexpr int64_t kTasksPerThread = 6;
  constexpr int64_t kWorthATask = 1 << 14;  // bytes, times rows: about half a microsecond
  const int64_t least = std::max<int64_t>(1, kWorthATask / std::max<int64_t>(1, panel_bytes * n));
  int64_t best = (panels + threads - 1) / threads;
  int64_t best_load = best;
  for (int64_t tasks = 2; tasks <= kTasksPerThread; ++tasks) {
    const int64_t fair = std::max(least, (panels + threads * tasks - 1) / (threads * tasks));
    const int64_t run = n < kFewRows ? fair : (fair + 1) / 2 * 2;
    const int64_t runs = (panels + run - 1) / run;
    const int64_t load = (runs + threads - 1) / threads * run;
    if (load <= best_load) {
      best = run;
      best_load = load;
    }
  }
  return best;
}

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

class PanelMatrix : public PackedMatrix {
 public:
  PanelMatrix(const CpuKernels& kernels, const PanelCoder& coder, ThreadPool& pool, const MatrixView& matrix,
              const ReleaseBytes& release)
      : kernels_(&kernels), panels_(coder, pool, matrix, release) {}

  void product(ThreadPool& pool, const float* x, int64_t n, float* y) const final {
    const PackedProduct self{this, x, n, y};
    products_together(pool, {&self, 1});
  }
  void gather(int64_t row, float* out) const final { panels_.unpack_row(row, out); }
  int64_t bytes() const final { return panels_.bytes(); }

  const CpuKernels& kernels() const { return *kernels_; }
  const Panels& panels() const { return panels_; }
  virtual ActivationKind activations() const = 0;
  // Rows of activations that stay in the second cache: at most `bytes`, and a multiple of every tile's height.
  struct BlockOfRows {
    int64_t bytes;
    int64_t multiple;
  };
  virtual BlockOfRows block_of_rows() const { return {1 << 19, 24}; }
  // Panels [begin, end) times `rows` rows of x, which are of that kind. y: where the first of the rows begins.
  virtual void run(const std::byte* x, int64_t rows, int64_t begin, int64_t end, float* y) const = 0;

  Plan plan(int64_t n, int threads) const {
    const BlockOfRows block = block_of_rows();
    const int64_t row_bytes = activations().row_bytes(panels_.cols());
    const int64_t most = std::max(block.multiple, block.bytes / row_bytes / block.multiple * block.multiple);
    const int64_t blocks = (n + most - 1) / most;
    const int64_t even = (n + blocks - 1) / blocks;
    Plan plan;
    plan.row_block = std::min(n, (even + block.multiple - 1) / block.multiple * block.multiple);
    plan.panels = panels_per_task(panels_.count(), panels_.panel_bytes(), plan.row_block, threads);
    plan.tasks_per_block = (panels_.count() + plan.panels - 1) / plan.panels;
    plan.tasks = plan.tasks_per_block * ((n + plan.row_block - 1) / plan.row_block);
    return plan;
  }

 private:
  const CpuKernels* kernels_;
  Panels panels_;
};

class QuantMatrix final : public PanelMatrix {
 public:
  QuantMatrix(const CpuKernels& kernels, const QuantKernels& quant, const PanelCoder& coder, ThreadPool& pool,
              const MatrixView& matrix, ActivationBits bits, const ReleaseBytes& release)
      : PanelMatrix(kernels, coder, pool, matrix, release),
        quant_(&quant),
        terms_(bits == ActivationBits::k16 ? 2 : 1) {}

  ActivationKind activations() const override {
    return {ActivationKind::Form::kGroups, terms_, quant_->offset, quant_->scales};
  }

  void run(const std::byte* activations, int64_t rows, int64_t begin, int64_t end, float* y) const override {
    const auto* x = reinterpret_cast<const ActGroup*>(activations);
    const int64_t groups = panels().cols() / kGroup;
    if (rows < kFewRows) return few_rows(x, rows, begin, end, y);
    const int64_t wide_bytes = groups * quant_->wide_group_bytes;
    LineBuffer wide(2 * wide_bytes);
    for (int64_t p = begin; p < end; p += 2) {
      const int64_t count = std::min<int64_t>(2, end - p);
      for (int64_t i = 0; i < count; ++i) {
        quant_->spread(panels().panel(p + i), groups, wide.data() + i * wide_bytes);
      }
      PanelOutput out(panels(), p, count, y, rows);
      const int64_t next = std::clamp<int64_t>(end - p - count, 0, 2);
      quant_->many_rows[terms_ - 1][count - 1](wide.data(), groups, x, rows, out.data(), out.stride(),
                                               {panels().panel(p + count), next * panels().panel_bytes()});
      out.finish();
    }
  }

 private:
  void few_rows(const ActGroup* x, int64_t rows, int64_t begin, int64_t end, float* y) const {
    const int64_t groups = panels().cols() / kGroup;
    const auto one_row = quant_->one_row[terms_ - 1];
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t r = 0; r < rows; ++r) {
        alignas(64) float out[kPanelRows];
        one_row(panels().panel(p), groups, x + r * groups * terms_, out);
        std::copy_n(out, panels().rows_in(p), y + r * panels().rows() + p * kPanelRows);
      }
    }
  }

  const QuantKernels* quant_;
  int terms_;  // of the activations
};

// By tiles of bfloat16, whatever the activations' bits.
class TileMatrix final : public PanelMatrix {
 public:
  TileMatrix(const CpuKernels& kernels, const TileQuantKernels& quant, const PanelCoder& coder, ThreadPool& pool,
             const MatrixView& matrix, const ReleaseBytes& release)
      : PanelMatrix(kernels, coder, pool, matrix, release),
        quant_(&quant),
        exponents_(static_cast<size_t>(panels().count())) {
    constexpr int64_t kPanelsWorthAThread = 16;
    pool.parallel_for(panels().count(), kPanelsWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) {
        exponents_[static_cast<size_t>(p)] = exponent_for(quant_->largest(panels().panel(p), groups()));
      }
    });
  }

  ActivationKind activations() const override { return {.form = ActivationKind::Form::kTiles}; }
  // Tiles are soon multiplied beside what decoding a panel takes, so the block is as large as the cache allows.
  BlockOfRows block_of_rows() const override { return {1 << 20, kFewTileRows}; }

  void run(const std::byte* x, int64_t rows, int64_t begin, int64_t end, float* y) const override {
    if (rows <= kFewTileRows) {
      // The last panel may have rows that the matrix lacks.
      const int64_t whole = panels().rows_in(end - 1) == kPanelRows ? end : end - 1;
      few_rows(x, rows, begin, whole, y);
      few_rows(x, rows, whole, end, y);
      return;
    }
    LineBuffer tiles(2 * groups() * kTileBytes);
    for (int64_t p = begin; p < end; p += 2) {
      const int64_t count = std::min<int64_t>(2, end - p);
      const int8_t* exponents = exponents_.data() + p;
      for (int64_t i = 0; i < count; ++i) {
        quant_->spread(panels().panel(p + i), groups(), exponents[i], tiles.data() + i * kTileBytes,
                       count * kTileBytes);
      }
      PanelOutput out(panels(), p, count, y, rows);
      kernels().tiles->many_rows[count - 1](tiles.data(), groups(), exponents, x, rows, out.data(), out.stride());
      out.finish();
    }
  }

 private:
  void few_rows(const std::byte* x, int64_t rows, int64_t begin, int64_t end, float* y) const {
    if (begin == end) return;
    PanelOutput out(panels(), begin, end - begin, y, rows);
    quant_->few_rows(panels().panel(begin), end - begin, groups(), exponents_.data() + begin, x, rows, out.data(),
                     out.stride());
    out.finish();
  }

  int64_t groups() const { return panels().cols() / kGroup; }

  // The usual one where half precision then holds the panel's weights, down to 2^-18 of the largest at least; else what
  // brings the largest just below 2^15.
  static int8_t exponent_for(float largest) {
    constexpr int kMost = 126;  // both ways, a power of two that float32 has
    constexpr int kLeast = -70;
    if (!(largest > 0) || !std::isfinite(largest)) return kUsualExponent;
    const int exponent = kUsualExponent - std::ilogb(largest);
    const bool usual = exponent >= kUsualExponent && exponent <= kUsualExponent + 10;
    return usual ? kUsualExponent : static_cast<int8_t>(std::clamp(exponent, kLeast, kMost));
  }

  const TileQuantKernels* quant_;
  std::vector<int8_t> exponents_;  // of the panels
};

class FloatMatrix final : public PanelMatrix {
 public:
  FloatMatrix(const CpuKernels& kernels, FloatProduct kernel, const PanelCoder& coder, ThreadPool& pool,
              const MatrixView& matrix, const ReleaseBytes& release)
      : PanelMatrix(kernels, coder, pool, matrix, release), kernel_(kernel) {}

  ActivationKind activations() const override { return {}; }

  void run(const std::byte* x, int64_t rows, int64_t begin, int64_t end, float* y) const override {
    for (int64_t p = begin; p < end; ++p) {
      PanelOutput out(panels(), p, 1, y, rows);
      kernel_(panels().panel(p), panels().cols(), reinterpret_cast<const float*>(x), rows, out.data(), out.stride());
      out.finish();
    }
  }

 private:
  FloatProduct kernel_;
};

// Memory that a thread keeps for its next products, since the system clears the pages of new memory each time.
class KeptMemory {
 public:
  // Forgets what was taken, and makes room for pieces of so many bytes in all, a line more for each.
  void start(int64_t bytes) {
    if (bytes > size_) {
      memory_ = nullptr;  // first, so that both are never there
      memory_ = allocate_large(bytes);
      size_ = bytes;
    }
    used_ = 0;
  }
  std::byte* take(int64_t bytes) {
    std::byte* piece = memory_.get() + used_;
    used_ += (bytes + kLine - 1) / kLine * kLine;
    CHECK(used_ <= size_);
    return piece;
  }

 private:
  std::shared_ptr<std::byte> memory_;
  int64_t size_ = 0;
  int64_t used_ = 0;
};

// Activations in the kinds that the matrices of some products ask for, each made once.
class SharedActivations {
 public:
  explicit SharedActivations(std::span<const PackedProduct> products) : memory_(kept_memory()) {
    int64_t bytes = 0;
    for (const PackedProduct& product : products) {
      const auto& matrix = static_cast<const PanelMatrix&>(*product.matrix);
      const ActivationKind kind = matrix.activations();
      if (kind.form == ActivationKind::Form::kFloats) continue;  // they stay where they are
      bytes += product.n * kind.row_bytes(matrix.panels().cols()) + kLine;
    }
    memory_.start(bytes);
  }

  // Where those of `x` (n, cols) will be.
  const std::byte* want(const CpuKernels& kernels, const float* x, int64_t n, int64_t cols,
                        const ActivationKind& kind) {
    if (kind.form == ActivationKind::Form::kFloats) return reinterpret_cast<const std::byte*>(x);
    for (const Wanted& one : wanted_) {
      if (one.x == x && one.n == n && one.cols == cols && one.kind == kind) return one.made;
    }
    wanted_.push_back({&kernels, x, n, cols, kind, rows_, memory_.take(n * kind.row_bytes(cols))});
    rows_ += n;
    return wanted_.back().made;
  }

  void make(ThreadPool& pool) const {
    constexpr int64_t kRowsWorthAThread = 16;
    pool.parallel_for(rows_, kRowsWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (const Wanted& one : wanted_) {
        const int64_t first = std::max(begin - one.first_row, int64_t{0});
        const int64_t last = std::min(end - one.first_row, one.n);
        if (first < last) one.make(first, last);
      }
    });
  }

 private:
  struct Wanted {
    const CpuKernels* kernels;
    const float* x;
    int64_t n;
    int64_t cols;
    ActivationKind kind;
    int64_t first_row;  // among those of all
    std::byte* made;

    void make(int64_t first, int64_t last) const {
      const int64_t groups = cols / kGroup;
      if (kind.form == ActivationKind::Form::kTiles) {
        kernels->tiles->tile_rows(x, first, last, n, groups, made);
      } else {
        kernels->floats->quantise[kind.terms - 1](x + first * cols, (last - first) * groups, kind.offset, kind.scales,
                                                  reinterpret_cast<ActGroup*>(made + first * kind.row_bytes(cols)));
      }
    }
  };
  // Products on this thread follow each other.
  static KeptMemory& kept_memory() {
    thread_local KeptMemory memory;
    return memory;
  }

  KeptMemory& memory_;
  std::vector<Wanted> wanted_;
  int64_t rows_ = 0;
};

// Those of one format, of IntegerKernels or TileKernels; null where there are none.
template <class Kernels>
auto kernels_of(const Kernels& kernels, QuantType type) -> decltype(&kernels.q4_0) {
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

FloatProduct float_kernel(const FloatKernels& floats, QuantType type) {
  switch (type) {
    case QuantType::kF32:
      return floats.f32;
    case QuantType::kF16:
      return floats.f16;
    case QuantType::kBF16:
      return floats.bf16;
    default:
      return nullptr;
  }
}

}  // namespace

int64_t packed_bytes(QuantType type, int64_t rows, int64_t cols) {
  const PanelCoder* coder = panel_coder(type);
  if (!coder || cols % coder->super_columns != 0) return 0;
  return (rows + kPanelRows - 1) / kPanelRows * (cols / coder->super_columns * coder->super_bytes);
}

std::unique_ptr<PackedMatrix> pack_matrix(const CpuKernels& kernels, ThreadPool& pool, const MatrixView& matrix,
                                          ActivationBits bits, const ReleaseBytes& release) {
  CHECK(matrix.format != nullptr && matrix.rows >= 0 && matrix.cols >= 0);
  const QuantType type = matrix.format->type;
  if (packed_bytes(type, matrix.rows, matrix.cols) == 0) return nullptr;
  const PanelCoder* coder = panel_coder(type);
  if (const TileQuantKernels* quant = kernels.tiles ? kernels_of(*kernels.tiles, type) : nullptr) {
    return std::make_unique<TileMatrix>(kernels, *quant, *coder, pool, matrix, release);
  }
  if (const QuantKernels* quant = kernels_of(*kernels.integers, type)) {
    return std::make_unique<QuantMatrix>(kernels, *quant, *coder, pool, matrix, bits, release);
  }
  return std::make_unique<FloatMatrix>(kernels, float_kernel(*kernels.floats, type), *coder, pool, matrix, release);
}

void products_together(ThreadPool& pool, std::span<const PackedProduct> products) {
  struct Job {
    const PanelMatrix* matrix;
    const std::byte* x;
    int64_t n;
    float* y;
    Plan plan;
    int64_t first_task;
  };
  SharedActivations activations(products);
  std::vector<Job> jobs;
  int64_t tasks = 0;
  for (const PackedProduct& product : products) {
    if (product.n == 0) continue;
    const auto* matrix = static_cast<const PanelMatrix*>(product.matrix);  // every one is made by pack_matrix
    const std::byte* x =
        activations.want(matrix->kernels(), product.x, product.n, matrix->panels().cols(), matrix->activations());
    jobs.push_back({matrix, x, product.n, product.y, matrix->plan(product.n, pool.size()), tasks});
    tasks += jobs.back().plan.tasks;
  }
  activations.make(pool);
  pool.parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      size_t i = jobs.size() - 1;
      while (jobs[i].first_task > task) --i;
      const Job& job = jobs[i];
      const Panels& panels = job.matrix->panels();
      const int64_t index = task - job.first_task;
      const int64_t row = index / job.plan.tasks_per_block * job.plan.row_block;
      const int64_t first = index % job.plan.tasks_per_block * job.plan.panels;
      job.matrix->run(job.x + row * job.matrix->activations().row_bytes(panels.cols()),
                      std::min(job.plan.row_block, job.n - row), first,
                      std::min(first + job.plan.panels, panels.count()), job.y + row * panels.rows());
    }
  });
}

}  // namespace linnet::kernels
