#include "kernels/matmul.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "kernels/line_buffer.hpp"
#include "kernels/matmul_by_rows.hpp"
#include "kernels/matmul_narrow.hpp"
#include "kernels/matmul_parts.hpp"

namespace linnet::kernels {

namespace {

// Panels of a that are packed together: where a is transposed, its rows run across them and are read in long pieces.
constexpr int64_t kPanelsAtOnce = 4;
constexpr int64_t kPanelsOfATask = 4;  // likewise of b

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));

// What of a is packed at once: the second cache holds it beside a strip of c, while panels of b pass by; where these
// must be packed for each, the last cache. Rows, a multiple of every tile's height, over all of k; but of a long k only
// so much that b, which passes by anew for each such block, does not pass by for few rows.
struct AtOnce {
  int64_t rows;
  int64_t depth;  // of k, at most
};
AtOnce at_once(const MatmulCall& call) {
  constexpr int64_t kUnit = 96;
  constexpr int64_t kMostRows = 3072;
  const int64_t fewest = call.packed ? 288 : 768;
  const int64_t numbers = int64_t{call.packed ? 2 : 6} << 18;  // as floats: 2 or 6 MB
  const int64_t rows = std::clamp(numbers / std::max<int64_t>(call.k, 1) / kUnit * kUnit, fewest, kMostRows);
  return {rows, std::min(call.k, std::max(numbers / rows, kMostDepth))};
}

// k is cut in parts of at least this: of two that are as long as can be, the shorter.
constexpr int64_t kShortestPart = 128;

// Of the rows of a that are packed at once: whole lines, since floats follow.
int64_t packed_bytes(const MatmulCall& call) {
  const AtOnce most = at_once(call);
  const int64_t rows = std::min(call.m, most.rows) + kMostTileRows;
  const int64_t parts = whole(most.depth, kShortestPart);
  return parts * whole(rows * (kPanelDepthBytes + whole(kLineBytes, kFewestTileRows)), kLineBytes) * kLineBytes;
}

// Whether b's transpose is decoded row by row.
bool decodes_columns(const MatmulCall& call) {
  return !call.packed && !call.b && call.b_transposed;
}
// Whether b's rows are, for one part of k at a time.
bool fetches_parts(const MatmulCall& call) {
  return !call.packed && !call.b && !call.b_transposed;
}

// Columns of b that are decoded at once where its transpose is decoded row by row: 8 MB.
int64_t columns_at_once(const MatmulCall& call) {
  constexpr int64_t kNumbers = int64_t{1} << 21;
  constexpr int64_t kUnit = 64;  // whole panels, whatever their width
  if (!decodes_columns(call)) return call.n;
  return std::min(call.n, std::max(kNumbers / std::max<int64_t>(call.k, 1) / kUnit, int64_t{1}) * kUnit);
}

// c[row.., col..] (+)= a · b over depth numbers from k on, part by part.
struct Block {
  int64_t row;
  int64_t rows;
  int64_t col;
  int64_t cols;
  int64_t k;
  int64_t depth;
  bool add;
};

// The threads share the panels of b, and what is packed of a.
class Product {
 public:
  Product(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call, std::byte* workspace)
      : kernels_(kernels),
        pool_(pool),
        call_(call),
        layout_(kernels, call.k, call.n),
        a_panel_bytes_(layout_.panel_stride(kernels.rows)),
        b_panel_bytes_(layout_.panel_stride(kernels.cols)),
        a_(workspace),
        decoded_(reinterpret_cast<float*>(workspace + packed_bytes(call))) {}

  // Fetches columns [col, col + cols) of a b whose transpose is decoded row by row.
  void decode_columns(int64_t col, int64_t cols) {
    constexpr int64_t kRowsWorthAThread = 16;
    pool_.parallel_for(cols, kRowsWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (int64_t j = begin; j < end; ++j) call_.b_row(col + j, decoded_ + j * call_.k);
    });
  }

  int64_t part() const { return layout_.part(); }

  void run(const Block& block) {
    pack_a(block);
    fetch(block);
    const int64_t panels = whole(block.cols, kernels_.cols);
    const int64_t tiles = whole(block.rows, kernels_.rows);
    // Few panels, as with the low rank of an adapter: rows are shared out, too. Of many, a task takes neighbours.
    constexpr int64_t kTasksPerThread = 4;
    const int64_t tasks = kTasksPerThread * pool_.size();
    const int64_t together = std::clamp<int64_t>(panels / tasks, 1, kPanelsOfATask);
    const int64_t groups = whole(panels, together);
    const int64_t parts = std::clamp<int64_t>(whole(tasks, groups), 1, tiles);
    const int64_t run = whole(tiles, parts);
    constexpr int64_t kWorthAThread = 1 << 16;  // multiply-adds
    const int64_t work = run * kernels_.rows * together * kernels_.cols * block.depth;
    pool_.parallel_for(
        groups * parts, std::max<int64_t>(1, kWorthAThread / work), [&](int64_t begin, int64_t end, int) {
          LineBuffer b(together * b_panel_bytes_);
          if (kernels_.enter) kernels_.enter();
          for (int64_t task = begin; task < end; ++task) {
            const int64_t panel = task / parts * together;
            const int64_t first = task % parts * run;
            multiply(block, panel, std::min(together, panels - panel), first, std::min(first + run, tiles), b.data());
          }
          if (kernels_.leave) kernels_.leave();
        });
  }

  // The block's part of b, packed into `out`, where pack_operand() has all of it.
  void pack_b(const Block& block, std::byte* out) {
    fetch(block);
    const int64_t panels = whole(block.cols, kernels_.cols);
    const int64_t panel_bytes = place_of(block, 1) - place_of(block, 0);
    pool_.parallel_for(whole(panels, kPanelsOfATask), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin * kPanelsOfATask; p < std::min(end * kPanelsOfATask, panels); p += kPanelsOfATask) {
        pack_panels(block, p, std::min(kPanelsOfATask, panels - p), panel_bytes, out + place_of(block, p));
      }
    });
  }

 private:
  // Of panel p of a block in what pack_operand() makes.
  int64_t place_of(const Block& block, int64_t p) const {
    return layout_.place(block.k, block.depth, block.col / kernels_.cols + p);
  }

  // Calls visit(part) for each part of a block's k, as a block of its own.
  template <class Visit>
  void each_part(const Block& block, const Visit& visit) const {
    Block one = block;
    for (const int64_t end = block.k + block.depth; one.k < end; one.k += part(), one.add = true) {
      one.depth = std::min(part(), end - one.k);
      visit(one);
    }
  }

  // Where the rows of a block are packed for the part of k that begins there.
  std::byte* packed_a(const Block& block, int64_t k) const {
    return a_ + (k - block.k) / part() * whole(block.rows, kernels_.rows) * a_panel_bytes_;
  }

  void pack_a(const Block& block) {
    const int64_t k_stride = call_.a_transposed ? call_.m : 1;
    const int64_t row_stride = call_.a_transposed ? 1 : call_.k;
    const int64_t rows = kPanelsAtOnce * kernels_.rows;
    pool_.parallel_for(whole(block.rows, rows), 1, [&](int64_t begin, int64_t end, int) {
      each_part(block, [&](const Block& part) {
        for (int64_t row = begin * rows; row < std::min(end * rows, block.rows); row += rows) {
          kernels_.pack_a(call_.a + (block.row + row) * row_stride + part.k * k_stride, k_stride, row_stride,
                          part.depth, std::min(rows, block.rows - row), kernels_.rows, a_panel_bytes_,
                          packed_a(block, part.k) + row / kernels_.rows * a_panel_bytes_);
        }
      });
    });
  }

  // Decodes the block's rows of a b that is decoded row by row.
  void fetch(const Block& block) {
    if (!fetches_parts(call_)) return;
    constexpr int64_t kRowsWorthAThread = 16;
    pool_.parallel_for(block.depth, kRowsWorthAThread, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) call_.b_row(block.k + i, decoded_ + i * call_.n);
    });
  }

  // `count` panels of the block's part of b, from panel p on, one every panel_bytes.
  void pack_panels(const Block& block, int64_t p, int64_t count, int64_t panel_bytes, std::byte* to) const {
    const int64_t in_block = p * kernels_.cols;
    const int64_t col = block.col + in_block;
    const int64_t cols = std::min<int64_t>(count * kernels_.cols, block.cols - in_block);
    const int64_t k_stride = call_.b_transposed ? 1 : call_.n;
    const int64_t col_stride = call_.b_transposed ? call_.k : 1;
    // Decoded are the block's k of all columns, or all k of the block's columns.
    const float* from = call_.b              ? call_.b + block.k * k_stride + col * col_stride
                        : call_.b_transposed ? decoded_ + block.k + in_block * call_.k
                                             : decoded_ + col;
    kernels_.pack_b(from, k_stride, col_stride, block.depth, cols, kernels_.cols, panel_bytes, to);
  }

  // `count` panels of the block's b, from panel p on, with tiles [first, last) of a. scratch: room for them.
  void multiply(const Block& block, int64_t p, int64_t count, int64_t first, int64_t last, std::byte* scratch) const {
    each_part(block, [&](const Block& part) {
      if (!call_.packed) pack_panels(part, p, count, b_panel_bytes_, scratch);
      const std::byte* a = packed_a(block, part.k);
      for (int64_t t = first; t < last; ++t) {
        for (int64_t i = 0; i < count; ++i) {  // neighbours in c's rows
          const std::byte* b =
              call_.packed ? call_.packed->bytes.raw() + place_of(part, p + i) : scratch + i * b_panel_bytes_;
          multiply_place(part, a + t * a_panel_bytes_, b, t, p + i);
        }
      }
    });
  }

  void multiply_place(const Block& part, const std::byte* a, const std::byte* b, int64_t t, int64_t p) const {
    float* c = place_in_c(call_, part.row + t * kernels_.rows, part.col + p * kernels_.cols);
    multiply_tile(kernels_, {a, b, part.depth}, {},
                  {.c = c,
                   .stride = c_stride(call_),
                   .rows = part.rows - t * kernels_.rows,
                   .cols = part.cols - p * kernels_.cols,
                   .ahead = {.c = c},
                   .turned = call_.c_transposed},
                  part.add);
  }

  const MatmulKernels& kernels_;
  ThreadPool& pool_;
  const MatmulCall& call_;
  OperandLayout layout_;
  int64_t a_panel_bytes_;
  int64_t b_panel_bytes_;
  std::byte* a_;    // packed
  float* decoded_;  // rows of b, where they must be fetched
};

// Visits the columns of b, as many as are decoded at once, with those decoded.
template <class Visit>
void each_columns(Product& product, const MatmulCall& call, const Visit& visit) {
  const int64_t columns = columns_at_once(call);
  for (int64_t col = 0; col < call.n; col += columns) {
    const int64_t cols = std::min(columns, call.n - col);
    if (decodes_columns(call)) product.decode_columns(col, cols);
    visit(col, cols);
  }
}

int64_t workspace_by_columns(const MatmulCall& call) {
  if (call.packed || !call.b_row) return packed_bytes(call);
  const int64_t decoded = call.b_transposed ? columns_at_once(call) * call.k : std::min(call.k, kMostDepth) * call.n;
  return packed_bytes(call) + decoded * kFloatBytes;
}

void multiply_by_columns(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call, std::byte* workspace) {
  if (call.m == 0 || call.n == 0) return;
  if (call.k == 0) {
    if (!call.add) std::fill_n(call.c, call.m * call.n, 0.0f);
    return;
  }
  Product product(kernels, pool, call, workspace);
  const AtOnce most = at_once(call);
  const int64_t part = product.part();
  const int64_t depth = fetches_parts(call) ? part : std::max(most.depth / part * part, part);
  each_columns(product, call, [&](int64_t col, int64_t cols) {
    for (int64_t row = 0; row < call.m; row += most.rows) {
      const int64_t rows = std::min(most.rows, call.m - row);
      for (int64_t k = 0; k < call.k; k += depth) {
        product.run({row, rows, col, cols, k, std::min(depth, call.k - k), call.add || k > 0});
      }
    }
  });
  for (int64_t i = 0; call.scale != 1 && i < call.m * call.n; ++i) call.c[i] *= call.scale;
}

// All of b, as OperandLayout says.
void pack_b(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call, std::byte* workspace,
            std::byte* to) {
  Product product(kernels, pool, call, workspace);
  const int64_t depth = product.part();
  each_columns(product, call, [&](int64_t col, int64_t cols) {
    for (int64_t k = 0; k < call.k; k += depth) {
      product.pack_b(
          {.row = 0, .rows = 0, .col = col, .cols = cols, .k = k, .depth = std::min(depth, call.k - k), .add = false},
          to);
    }
  });
}

// Calls visit(call, which) for each, and for what it adds.
template <class Visit>
void each_factor(MatmulCalls calls, const Visit& visit) {
  for (const MatmulCall& call : calls) {
    visit(call, 0);
    if (call.plus) visit(call.added(), 1);
  }
}

// What any way through the calls takes, beside what is packed of their b: whole lines.
int64_t scratch_bytes(int threads, MatmulCalls calls) {
  int64_t bytes = goes_by_rows(threads, calls) ? workspace_by_rows(threads, RowProducts(calls)) : 0;
  each_factor(calls, [&](const MatmulCall& call, size_t) {
    bytes = std::max(bytes, workspace_by_columns(call));
    const MatmulCalls one(&call, 1);
    if (goes_by_rows(threads, one)) bytes = std::max(bytes, workspace_by_rows(threads, RowProducts(one)));
    if (goes_narrow(one)) bytes = std::max(bytes, workspace_narrow(one));
  });
  return whole(bytes, kLineBytes) * kLineBytes;
}

// Of every b that is not packed.
int64_t unpacked_bytes(MatmulCalls calls) {
  int64_t bytes = 0;
  each_factor(calls, [&](const MatmulCall& call, size_t) {
    if (!call.packed) bytes += most_operand_bytes(call.k, call.n);
  });
  return bytes;
}

// Packs every b that is not, behind `scratch` bytes of the workspace, and multiplies.
void multiply_by_rows(const MatmulKernels& kernels, ThreadPool& pool, const RowProducts& products, int64_t scratch,
                      std::byte* workspace) {
  std::byte* packed = workspace + scratch;
  std::vector<PackedPair> pairs;
  for (const MatmulCalls calls : products.all()) {
    each_factor(calls, [&](const MatmulCall& call, size_t which) {
      if (which == 0) pairs.emplace_back();
      if (call.packed) {
        pairs.back()[which] = call.packed->bytes.raw();
        return;
      }
      pack_b(kernels, pool, call, workspace, packed);
      pairs.back()[which] = packed;
      packed += most_operand_bytes(call.k, call.n);
    });
  }
  matmul_by_rows(kernels, pool, products, pairs, workspace);
}

void check_operands(const MatmulKernels& kernels, MatmulCalls calls) {
  each_factor(calls, [&](const MatmulCall& call, size_t) {
    CHECK(!call.c_transposed || (call.scale == 1 && !call.plus));
    CHECK(!call.packed || (call.packed->k == call.k && call.packed->n == call.n));
    CHECK(!call.packed || call.packed->bytes.bytes() == operand_bytes(kernels, call.k, call.n));
  });
}

// Beside what is packed of b: whole lines.
int64_t joined_scratch_bytes(int threads, const RowProducts& products) {
  int64_t bytes = workspace_by_rows(threads, products);
  for (const MatmulCalls calls : products.all()) {
    each_factor(calls, [&](const MatmulCall& call, size_t) { bytes = std::max(bytes, workspace_by_columns(call)); });
  }
  return whole(bytes, kLineBytes) * kLineBytes;
}

}  // namespace

int64_t matmul_workspace(int threads, MatmulCalls calls) {
  if (goes_narrow(calls)) return workspace_narrow(calls);
  const bool packs = std::ranges::any_of(calls, [&](const MatmulCall& call) {
    return goes_by_rows(threads, {&call, 1});
  });
  return scratch_bytes(threads, calls) + (packs ? unpacked_bytes(calls) : 0);
}

void matmul(const MatmulKernels& kernels, ThreadPool& pool, MatmulCalls calls, std::byte* workspace) {
  check_operands(kernels, calls);
  if (goes_narrow(calls)) {
    matmul_narrow(kernels, pool, calls, workspace);
  } else if (goes_by_rows(pool.size(), calls)) {
    multiply_by_rows(kernels, pool, RowProducts(calls), scratch_bytes(pool.size(), calls), workspace);
  } else if (calls.size() == 1) {
    multiply_by_columns(kernels, pool, calls[0], workspace);
    if (calls[0].plus) multiply_by_columns(kernels, pool, calls[0].added(), workspace);
  } else {
    for (const MatmulCall& call : calls) matmul(kernels, pool, {&call, 1}, workspace);
  }
}

bool can_join(int threads, const JoinedProducts& joined) {
  return std::ranges::all_of(RowProducts(joined).all(),
                             [&](MatmulCalls calls) { return calls.empty() || goes_by_rows(threads, calls); });
}

int64_t joined_workspace(int threads, const JoinedProducts& joined) {
  const RowProducts products(joined);
  int64_t bytes = joined_scratch_bytes(threads, products);
  for (const MatmulCalls calls : products.all()) bytes += unpacked_bytes(calls);
  return bytes;
}

void matmul_joined(const MatmulKernels& kernels, ThreadPool& pool, const JoinedProducts& joined, std::byte* workspace) {
  const RowProducts products(joined);
  for (const MatmulCalls calls : products.all()) check_operands(kernels, calls);
  multiply_by_rows(kernels, pool, products, joined_scratch_bytes(pool.size(), products), workspace);
}

int64_t operand_bytes(const MatmulKernels& kernels, int64_t k, int64_t n) {
  return OperandLayout(kernels, k, n).bytes();
}

void operand_row(const MatmulKernels& kernels, const PackedOperand& operand, int64_t row, float* out) {
  const OperandLayout layout(kernels, operand.k, operand.n);
  const int64_t begin = row / layout.part() * layout.part();
  const int64_t depth = std::min(layout.part(), operand.k - begin);
  for (int64_t j = 0; j < operand.n; ++j) {
    const std::byte* panel = operand.bytes.raw() + layout.place(begin, depth, j / kernels.cols);
    const int64_t at = kernels.place_in_b(row - begin, j % kernels.cols);
    out[j] = kernels.number_bytes == sizeof(float) ? reinterpret_cast<const float*>(panel)[at]
                                                   : to_float(reinterpret_cast<const BFloat16*>(panel)[at]);
  }
}

void pack_operand(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call, std::byte* out) {
  if (call.k == 0) return;
  MatmulCall of_b = call;
  of_b.m = 0;  // nothing of a is packed
  Tensor workspace = Tensor::empty(DType::kU8, {workspace_by_columns(of_b)});
  pack_b(kernels, pool, of_b, workspace.raw(), out);
}

}  // namespace linnet::kernels
