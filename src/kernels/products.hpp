// The schedules of products with packed matrices: what runs in parallel, in which order, from which cache. All matrices
// come from pack_matrix() with the same kernels.
#pragma once

#include <span>

#include "base/thread_pool.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// See KernelTable.
void products_together(ThreadPool& pool, std::span<const PackedProduct> products);
void gated_products(ThreadPool& pool, std::span<const GatedProduct> products, GateKernel gate);

}  // namespace linnet::kernels
