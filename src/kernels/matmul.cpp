#include "kernels/matmul.hpp"

#include <algorithm>

#include "kernels/line_buffer.hpp"

namespace linnet::kernels {

namespace {

// Sums over k are cut here, whatever the sizes: a panel of b stays in the first cache, and the bits of a row of c hang
// on its own row of a alone.
constexpr int64_t kDepth = 256;
// Rows of a that are packed at once: 3 MB, which the last cache holds. A multiple of every tile's height.
constexpr int64_t kRowsAtOnce = 3072;

int64_t whole(int64_t count, int64_t unit) {
  return (count + unit - 1) / unit;
}

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));

// Of the rows of a that are packed at once.
int64_t packed_bytes(const MatmulCall& call) {
  constexpr int64_t kMostRowsOfATile = 12;
  return (std::min(call.m, kRowsAtOnce) + kMostRowsOfATile) * kDepth * kFloatBytes;
}

// One block of k and of rows: c[begin, begin + rows) (+)= a · b over [k_begin, k_begin + depth).
struct Block {
  int64_t row;
  int64_t rows;
  int64_t k;
  int64_t depth;
  bool add;
};

class Product {
 public:
  Product(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call)
      : kernels_(kernels),
        pool_(pool),
        call_(call),
        panels_(whole(call.n, kernels.cols)),
        a_panel_bytes_(kDepth * kernels.rows * kFloatBytes),
        a_(call.workspace),
        decoded_(reinterpret_cast<float*>(call.workspace + packed_bytes(call))) {}

  void run(const Block& block) {
    pack_a(block);
    if (!call_.b) decode_b(block);
    const int64_t tiles = whole(block.rows, kernels_.rows);
    // Few panels, as with the low rank of an adapter: rows are shared out, too.
    constexpr int64_t kTasksPerThread = 4;
    const int64_t parts = std::clamp<int64_t>(whole(kTasksPerThread * pool_.size(), panels_), 1, tiles);
    const int64_t run = whole(tiles, parts);
    constexpr int64_t kWorthAThread = 1 << 16;  // multiply-adds
    const int64_t work = run * kernels_.rows * kernels_.cols * block.depth;
    pool_.parallel_for(panels_ * parts, std::max<int64_t>(1, kWorthAThread / work),
                       [&](int64_t begin, int64_t end, int) {
                         LineBuffer b(kDepth * kernels_.cols * kFloatBytes);
                         for (int64_t task = begin; task < end; ++task) {
                           const int64_t first = task % parts * run;
                           multiply(block, task / parts, first, std::min(first + run, tiles), b.data());
                         }
                       });
  }

 private:
  void pack_a(const Block& block) {
    const int64_t k_stride = call_.a_transposed ? call_.m : 1;
    const int64_t row_stride = call_.a_transposed ? 1 : call_.k;
    constexpr int64_t kTilesWorthAThread = 4;
    pool_.parallel_for(whole(block.rows, kernels_.rows), kTilesWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t row = t * kernels_.rows;
        kernels_.pack(call_.a + (block.row + row) * row_stride + block.k * k_stride, k_stride, row_stride, block.depth,
                      std::min<int64_t>(kernels_.rows, block.rows - row), kernels_.rows, a_ + t * a_panel_bytes_);
      }
    });
  }

  void decode_b(const Block& block) {
    constexpr int64_t kRowsWorthAThread = 16;
    pool_.parallel_for(block.depth, kRowsWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) call_.b_row(block.k + i, decoded_ + i * call_.n);
    });
  }

  // Panel p of b with tiles [first, last) of a.
  void multiply(const Block& block, int64_t p, int64_t first, int64_t last, std::byte* b) const {
    const int64_t col = p * kernels_.cols;
    const int64_t cols = std::min<int64_t>(kernels_.cols, call_.n - col);
    const int64_t k_stride = call_.b && call_.b_transposed ? 1 : call_.n;
    const int64_t col_stride = call_.b && call_.b_transposed ? call_.k : 1;
    const float* from = call_.b ? call_.b + block.k * k_stride : decoded_;
    kernels_.pack(from + col * col_stride, k_stride, col_stride, block.depth, cols, kernels_.cols, b);
    for (int64_t t = first; t < last; ++t) {
      const std::byte* a = a_ + t * a_panel_bytes_;
      float* c = call_.c + (block.row + t * kernels_.rows) * call_.n + col;
      const int64_t rows = std::min<int64_t>(kernels_.rows, block.rows - t * kernels_.rows);
      if (rows == kernels_.rows && cols == kernels_.cols) {
        kernels_.tile(a, b, block.depth, c, call_.n, block.add);
      } else {
        multiply_edge(a, b, block, c, rows, cols);
      }
    }
  }

  // A tile that c holds only in part.
  void multiply_edge(const std::byte* a, const std::byte* b, const Block& block, float* c, int64_t rows,
                     int64_t cols) const {
    alignas(64) float tile[kMostTileFloats] = {};
    for (int64_t r = 0; block.add && r < rows; ++r) std::copy_n(c + r * call_.n, cols, tile + r * kernels_.cols);
    kernels_.tile(a, b, block.depth, tile, kernels_.cols, block.add);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(tile + r * kernels_.cols, cols, c + r * call_.n);
  }

  const MatmulKernels& kernels_;
  ThreadPool& pool_;
  const MatmulCall& call_;
  int64_t panels_;  // of b
  int64_t a_panel_bytes_;
  std::byte* a_;    // packed
  float* decoded_;  // rows of b, where they must be fetched
};

}  // namespace

int64_t matmul_workspace(const MatmulCall& call) {
  return packed_bytes(call) + (call.b_row ? std::min(call.k, kDepth) * call.n * kFloatBytes : 0);
}

void matmul(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call) {
  if (call.m == 0 || call.n == 0) return;
  if (call.k == 0) {
    if (!call.add) std::fill_n(call.c, call.m * call.n, 0.0f);
    return;
  }
  Product product(kernels, pool, call);
  for (int64_t row = 0; row < call.m; row += kRowsAtOnce) {
    for (int64_t k = 0; k < call.k; k += kDepth) {
      product.run({row, std::min(kRowsAtOnce, call.m - row), k, std::min(kDepth, call.k - k), call.add || k > 0});
    }
  }
}

}  // namespace linnet::kernels
