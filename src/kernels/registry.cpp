#include "kernels/registry.hpp"

#include <cstdlib>

#include "kernels/line_buffer.hpp"
#include "kernels/packed_matrix.hpp"

namespace linnet {

namespace {

// An entry of a KernelTable is a plain function: the instruction set is its template argument.
template <const kernels::CpuKernels& kCpu>
std::unique_ptr<PackedMatrix> pack_for(ThreadPool& pool, const MatrixView& matrix, ActivationBits bits) {
  return kernels::pack_matrix(kCpu, pool, matrix, bits);
}

template <const kernels::CpuKernels& kCpu>
void attention_for(const float* q, const AttentionSpan& span, const AttentionShape& shape,
                   const AttentionParams& params, int64_t kv_head, int64_t begin, int64_t end, float* out) {
  static_assert(kernels::kAttentionBlock == kBlockTokens);
  const int64_t queries = (end - begin) * (shape.heads / shape.kv_heads);
  kernels::LineBuffer scratch(kCpu.attention_scratch(shape.head_dim, queries));
  kCpu.attention({.q = q,
                  .out = out,
                  .row_begin = span.row_begin,
                  .position = span.position,
                  .keys = span.keys,
                  .key_blocks = span.key_blocks.data(),
                  .value_blocks = span.value_blocks.data(),
                  .half = span.dtype == DType::kF16,
                  .by_head = span.by_head,
                  .heads = shape.heads,
                  .kv_heads = shape.kv_heads,
                  .head_dim = shape.head_dim,
                  .scale = params.scale,
                  .softcap = params.softcap,
                  .window = params.window,
                  .causal = params.causal,
                  .sinks = params.sinks.defined() ? params.sinks.data<float>() : nullptr,
                  .kv_head = kv_head,
                  .begin = begin,
                  .end = end,
                  .scratch = scratch.data()});
}

template <const kernels::CpuKernels& kCpu>
KernelTable table_for(Isa isa) {
  KernelTable table;
  table.isa = isa_name(isa);
  table.pack = pack_for<kCpu>;
  table.product_together = kernels::product_together;
  table.attention = attention_for<kCpu>;
  table.rms_norm = kCpu.rms_norm;
  table.silu_mul = kCpu.silu_mul;
  table.gelu_tanh_mul = kCpu.gelu_tanh_mul;
  table.peaks = kCpu.peaks;
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
