// Products whose rows stay with their thread: it packs some rows of a and takes them past all of b, product after
// product, so that it finds in its own cache what it wrote. For many rows; b passes by once for each block of them.
// Thread safety: as the pool's.
#pragma once

#include <array>

#include "kernels/cpu/cpu_kernels.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// The b of a product, packed, and that of what it adds, or null.
using PackedPair = std::array<const std::byte*, 2>;

// Whether there are rows enough, and no b too large to stand packed in the workspace.
bool goes_by_rows(int threads, MatmulCalls calls);
int64_t workspace_by_rows(int threads, MatmulCalls calls);  // bytes
// packed: of each call.
void matmul_by_rows(const MatmulKernels& kernels, ThreadPool& pool, MatmulCalls calls,
                    std::span<const PackedPair> packed, std::byte* workspace);

}  // namespace linnet::kernels
