#include "kernels/matmul_by_rows.hpp"

#include <algorithm>

namespace linnet::kernels {

bool goes_by_rows(int threads, MatmulCalls calls) {
  constexpr int64_t kWorthAThread = 128;  // rows: with fewer, b would pass by too often
  constexpr int64_t kMostOfB = int64_t{1} << 24;
  constexpr int64_t kWorthPacking = 64;  // columns: with fewer, to pack a's columns takes longest
  const auto fits = [](const MatmulCall& call, int64_t n) {
    return (!call.a_transposed || n >= kWorthPacking) && call.k > 0 && (call.packed || n * call.k <= kMostOfB);
  };
  return !calls.empty() && std::ranges::all_of(calls, [&](const MatmulCall& call) {
    const MatmulCall* plus = call.plus;
    return call.m >= kWorthAThread * threads && call.n > 0 && fits(call, call.n) &&
           (!plus || (plus->k <= kMostDepthAdded && fits(*plus, call.n)));
  });
}

int64_t workspace_by_rows(int threads, const RowProducts& products) {
  return threads * BlockBytes(products.before, products.inner, products.after).all();
}

namespace {

// All of `products` for one block.
void run_block(const RowProducts& products, std::span<const PackedPair> packed, RowBlock& block) {
  for (size_t i = 0; i < products.before.size(); ++i) {
    block.run(products.before[i], packed[i], i + 1 < packed.size() ? packed[i + 1][0] : nullptr);
  }
  if (!products.joined) return;
  const auto joined = packed.subspan(products.before.size());
  block.join(*products.joined, joined.first(products.inner.size()), joined.subspan(products.inner.size()));
}

}  // namespace

void matmul_by_rows(const MatmulKernels& kernels, ThreadPool& pool, const RowProducts& products,
                    std::span<const PackedPair> packed, std::byte* workspace) {
  const int64_t m = products.joined ? products.inner[0].m : products.before[0].m;
  const int64_t blocks = whole(m, pool.size() * kMostRows) * pool.size();
  const int64_t rows = whole(whole(m, blocks), kernels.rows) * kernels.rows;
  const BlockBytes bytes(products.before, products.inner, products.after);
  pool.parallel_for(whole(m, rows), 1, [&](int64_t begin, int64_t end, int thread) {
    if (kernels.enter) kernels.enter();
    for (int64_t row = begin * rows; row < std::min(end * rows, m); row += rows) {
      RowBlock block(kernels, row, std::min(rows, m - row), workspace + thread * bytes.all(), bytes);
      run_block(products, packed, block);
    }
    if (kernels.leave) kernels.leave();
  });
}

}  // namespace linnet::kernels
