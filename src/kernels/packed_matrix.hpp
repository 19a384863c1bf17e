// Matrices of every format, packed: by integers, by tiles, by floats.
#pragma once

#include <memory>

#include "base/thread_pool.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "ops/kernel_table.hpp"

namespace linnet::kernels {

// Null for a format without panels. `kernels` must outlive the matrix. release: as KernelTable::pack has it.
std::unique_ptr<PackedMatrix> pack_matrix(const CpuKernels& kernels, ThreadPool& pool, const MatrixView& matrix,
                                          ActivationBits bits, const ReleaseBytes& release = {});

// See KernelTable::pack_turned.
std::unique_ptr<PackedMatrix> pack_turned(const CpuKernels& kernels, ThreadPool& pool, const RowsToTurn& rows);

// What pack_matrix() takes; 0 where there are no panels for such a matrix.
int64_t packed_bytes(QuantType type, int64_t rows, int64_t cols);

}  // namespace linnet::kernels
