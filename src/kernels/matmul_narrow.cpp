#include "kernels/matmul_narrow.hpp"

#include <algorithm>
#include <vector>

#include "kernels/line_buffer.hpp"
#include "kernels/matmul_parts.hpp"

namespace linnet::kernels {

namespace {

constexpr int64_t kMostNarrow = 64;    // rows or columns of c
constexpr int64_t kPanelsOfATask = 4;  // of the wide factor: its rows are read in pieces of several lines

// A call, the narrow factor first. Both factors have a row for each of k.
struct NarrowProduct {
  explicit NarrowProduct(const MatmulCall& call)
      : turned(call.c_transposed || call.n < call.m),
        rows(std::min(call.m, call.n)),
        cols(std::max(call.m, call.n)),
        k(call.k),
        narrow(call.packed || !turned ? call.a : call.b),
        wide(call.packed ? nullptr
             : turned    ? call.a
                         : call.b),
        wide_packed(call.packed ? call.packed->bytes.raw() : nullptr),
        c(call.c),
        add(call.add) {}

  bool reads_the_same(const NarrowProduct& other) const {
    return wide == other.wide && wide_packed == other.wide_packed && cols == other.cols && k == other.k;
  }

  bool turned;  // c lies as (cols, rows)
  int64_t rows;
  int64_t cols;
  int64_t k;
  const float* narrow;  // (K, rows)
  const float* wide;    // (K, cols), where it is not packed
  const std::byte* wide_packed;
  float* c;
  bool add;
  std::byte* packed = nullptr;  // the narrow factor
};

// Of a narrow factor, for any kernels.
int64_t packed_bytes(const NarrowProduct& product) {
  const int64_t parts = whole(product.k, kLeastDepth / 2);  // of two parts that are as long as can be, the shorter
  const int64_t rows = product.rows + kMostTileRows;
  return parts * whole(rows * (kPanelDepthBytes + whole(kLineBytes, kFewestTileRows)), kLineBytes) * kLineBytes;
}

// The narrow factor, all parts of k.
void pack_narrow(const MatmulKernels& kernels, const NarrowProduct& product) {
  const OperandLayout layout(kernels, product.k, product.cols);
  const int64_t panel_bytes = layout.panel_stride(kernels.rows);
  std::byte* to = product.packed;
  for (int64_t k = 0; k < product.k; k += layout.part()) {
    kernels.pack_a(product.narrow + k * product.rows, product.rows, 1, std::min(layout.part(), product.k - k),
                   product.rows, kernels.rows, panel_bytes, to);
    to += whole(product.rows, kernels.rows) * panel_bytes;
  }
}

// Products with one wide factor, and how it is cut.
class NarrowGroup {
 public:
  NarrowGroup(const MatmulKernels& kernels, std::span<const NarrowProduct> products)
      : kernels_(kernels),
        products_(products),
        layout_(kernels, products[0].k, products[0].cols),
        a_panel_bytes_(layout_.panel_stride(kernels.rows)),
        b_panel_bytes_(layout_.panel_stride(kernels.cols)) {}

  int64_t tasks() const { return whole(products_[0].cols, kPanelsOfATask * kernels_.cols); }
  int64_t scratch_bytes() const { return kPanelsOfATask * b_panel_bytes_; }

  // Some columns of each product. scratch: room for the wide factor's.
  void multiply(int64_t task, std::byte* scratch) const {
    const NarrowProduct& any = products_[0];
    const int64_t col = task * kPanelsOfATask * kernels_.cols;
    const int64_t cols = std::min(kPanelsOfATask * kernels_.cols, any.cols - col);
    for (int64_t k = 0; k < any.k; k += layout_.part()) {
      Panels panels{scratch, b_panel_bytes_};
      if (any.wide_packed) {
        const int64_t first = layout_.place(k, depth_from(k), col / kernels_.cols);
        panels = {any.wide_packed + first, layout_.place(k, depth_from(k), col / kernels_.cols + 1) - first};
      } else {
        kernels_.pack_b(any.wide + k * any.cols + col, any.cols, 1, depth_from(k), cols, kernels_.cols, b_panel_bytes_,
                        scratch);
      }
      for (const NarrowProduct& product : products_) add_part(product, k, col, cols, panels);
    }
  }

 private:
  int64_t depth_from(int64_t k) const { return std::min(layout_.part(), products_[0].k - k); }
  int64_t tiles(const NarrowProduct& product) const { return whole(product.rows, kernels_.rows); }

  // Of the wide factor, one every panel_bytes.
  struct Panels {
    const std::byte* at;
    int64_t panel_bytes;
  };

  // The product over the part of k that begins there.
  void add_part(const NarrowProduct& product, int64_t k, int64_t col, int64_t cols, const Panels& b) const {
    const std::byte* a = product.packed + k / layout_.part() * tiles(product) * a_panel_bytes_;
    for (int64_t row = 0; row < product.rows; row += kernels_.rows, a += a_panel_bytes_) {
      for (int64_t j = 0; j < cols; j += kernels_.cols) {
        const std::byte* panel = b.at + j / kernels_.cols * b.panel_bytes;
        float* c = product.c + (product.turned ? (col + j) * product.rows + row : row * product.cols + col + j);
        multiply_tile(kernels_, {a, panel, depth_from(k)}, {},
                      {.c = c,
                       .stride = product.turned ? product.rows : product.cols,
                       .rows = product.rows - row,
                       .cols = std::min<int64_t>(kernels_.cols, cols - j),
                       .ahead = {.c = c},
                       .turned = product.turned},
                      product.add || k > 0);
      }
    }
  }

  const MatmulKernels& kernels_;
  std::span<const NarrowProduct> products_;
  OperandLayout layout_;
  int64_t a_panel_bytes_;
  int64_t b_panel_bytes_;
};

}  // namespace

bool goes_narrow(MatmulCalls calls) {
  return !calls.empty() && std::ranges::all_of(calls, [](const MatmulCall& call) {
    // A wide factor that is packed is b.
    const bool has_wide = call.packed ? call.m <= call.n : call.b && !call.b_transposed && !call.c_transposed;
    return call.a_transposed && has_wide && !call.plus && call.scale == 1 && call.k > 0 &&
           std::min(call.m, call.n) > 0 && std::min(call.m, call.n) <= kMostNarrow;
  });
}

int64_t workspace_narrow(MatmulCalls calls) {
  int64_t bytes = 0;
  for (const MatmulCall& call : calls) bytes += packed_bytes(NarrowProduct(call));
  return bytes;
}

void matmul_narrow(const MatmulKernels& kernels, ThreadPool& pool, MatmulCalls calls, std::byte* workspace) {
  std::vector<NarrowProduct> products;
  for (const MatmulCall& call : calls) {
    products.emplace_back(call);
    products.back().packed = workspace;
    workspace += packed_bytes(products.back());
  }
  std::vector<NarrowGroup> groups;
  int64_t scratch = 0;
  for (auto begin = products.cbegin(); begin != products.cend();) {
    const auto end = std::find_if_not(begin, products.cend(),
                                      [&](const NarrowProduct& product) { return begin->reads_the_same(product); });
    groups.emplace_back(kernels, std::span(begin, end));
    scratch = std::max(scratch, groups.back().scratch_bytes());
    begin = end;
  }
  struct Task {
    const NarrowGroup* group;
    int64_t number;
  };
  std::vector<Task> tasks;
  for (const NarrowGroup& group : groups) {
    for (int64_t i = 0; i < group.tasks(); ++i) tasks.push_back({&group, i});
  }
  pool.parallel_for(static_cast<int64_t>(products.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) pack_narrow(kernels, products[static_cast<size_t>(i)]);
  });
  pool.parallel_for(static_cast<int64_t>(tasks.size()), 1, [&](int64_t begin, int64_t end, int) {
    LineBuffer b(scratch);
    if (kernels.enter) kernels.enter();
    for (int64_t i = begin; i < end; ++i) {
      const auto& [group, number] = tasks[static_cast<size_t>(i)];
      group->multiply(number, b.data());
    }
    if (kernels.leave) kernels.leave();
  });
}

}  // namespace linnet::kernels
