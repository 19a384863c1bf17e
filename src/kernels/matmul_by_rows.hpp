// Products whose rows stay with their thread: it packs some rows of a and takes them past all of b, product after
// product, so that it finds in its own cache what it wrote. For many rows; b passes by once for each block of them.
// Thread safety: as the pool's.
#pragma once

#include <array>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/row_block.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// As JoinedProducts; those without a join have only `before`.
struct RowProducts {
  explicit RowProducts(MatmulCalls calls) : before(calls) {}
  explicit RowProducts(const JoinedProducts& products)
      : before(products.before), inner(products.inner), after(products.after), joined(&products) {}

  MatmulCalls before;
  MatmulCalls inner{};
  std::array<MatmulCalls, 2> after{};
  const JoinedProducts* joined = nullptr;

  // In the order in which they are multiplied.
  std::array<MatmulCalls, 4> all() const { return {before, inner, after[0], after[1]}; }
};

// Whether there are rows enough, and no b too large to stand packed in the workspace.
bool goes_by_rows(int threads, MatmulCalls calls);
int64_t workspace_by_rows(int threads, const RowProducts& products);  // bytes
// packed: of each of products.all().
void matmul_by_rows(const MatmulKernels& kernels, ThreadPool& pool, const RowProducts& products,
                    std::span<const PackedPair> packed, std::byte* workspace);

}  // namespace linnet::kernels
