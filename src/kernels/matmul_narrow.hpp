// Products aᵀ · b of which c has few rows or few columns, as the gradients of adapters have: what takes long is to read
// the wide factor, which is read once for all that are multiplied with it. Thread safety: as the pool's.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// Whether all calls are of that kind.
bool goes_narrow(MatmulCalls calls);
int64_t workspace_narrow(MatmulCalls calls);
// Each number of c is summed by one thread, in an order that hangs on k alone.
void matmul_narrow(const MatmulKernels& kernels, ThreadPool& pool, MatmulCalls calls, std::byte* workspace);

}  // namespace linnet::kernels
