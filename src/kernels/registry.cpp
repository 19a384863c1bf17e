#include "kernels/registry.hpp"

#include <cstdlib>

#include "kernels/packed_matrix.hpp"

namespace linnet {

namespace {

// An entry of a KernelTable is a plain function: the instruction set is its template argument.
template <const kernels::CpuKernels& kCpu>
std::unique_ptr<PackedMatrix> pack_for(ThreadPool& pool, const MatrixView& matrix) {
  return kernels::pack_matrix(kCpu, pool, matrix);
}

template <const kernels::CpuKernels& kCpu>
KernelTable table_for(Isa isa) {
  KernelTable table;
  table.isa = isa_name(isa);
  table.pack = pack_for<kCpu>;
  table.rms_norm = kCpu.rms_norm;
  table.silu_mul = kCpu.silu_mul;
  table.gelu_tanh_mul = kCpu.gelu_tanh_mul;
  return table;
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
#if defined(__x86_64__)
  static const KernelTable kAvx2 = table_for<kernels::avx2::kKernels>(Isa::kAvx2);
  static const KernelTable kAvxVnni = table_for<kernels::avxvnni::kKernels>(Isa::kAvxVnni);
  static const KernelTable kAvx512 = table_for<kernels::avx512::kKernels>(Isa::kAvx512);
  static const KernelTable kAvx512Vnni = table_for<kernels::avx512vnni::kKernels>(Isa::kAvx512Vnni);
  switch (isa) {
    case Isa::kBaseline:
      return reference_kernels();
    case Isa::kAvx2:
      return kAvx2;
    case Isa::kAvxVnni:
      return kAvxVnni;
    case Isa::kAvx512:
      return kAvx512;
    case Isa::kAvx512Vnni:
      return kAvx512Vnni;
  }
#endif
  return reference_kernels();
}

Result<const KernelTable*> kernel_table_for_this_machine() {
  const char* forced = std::getenv("LINNET_ISA");
  TRY_ASSIGN(const Isa isa, choose_isa(forced ? forced : ""));
  return &kernel_table(isa);
}

}  // namespace linnet
