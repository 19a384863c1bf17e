// Products of float matrices that change as often as they are used: what training does. Thread safety: as the pool's.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// See KernelTable::matmul.
int64_t matmul_workspace(int threads, MatmulCalls calls);
void matmul(const MatmulKernels& kernels, ThreadPool& pool, MatmulCalls calls, std::byte* workspace);
// See FloatProducts::joined.
bool can_join(int threads, const JoinedProducts& products);
int64_t joined_workspace(int threads, const JoinedProducts& products);
void matmul_joined(const MatmulKernels& kernels, ThreadPool& pool, const JoinedProducts& products,
                   std::byte* workspace);
// See KernelTable::pack_operand.
void pack_operand(const MatmulKernels& kernels, ThreadPool& pool, const MatmulCall& call, std::byte* out);
int64_t operand_bytes(const MatmulKernels& kernels, int64_t k, int64_t n);
// See KernelTable::operand_row.
void operand_row(const MatmulKernels& kernels, const PackedOperand& operand, int64_t row, float* out);

}  // namespace linnet::kernels
