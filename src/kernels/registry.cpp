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

kernels::KeyFormat key_format(DType dtype) {
  return dtype == DType::kF32   ? kernels::KeyFormat::kF32
         : dtype == DType::kF16 ? kernels::KeyFormat::kF16
                                : kernels::KeyFormat::kBF16Pairs;
}

kernels::AttentionCall call_of(const float* q, const AttentionUnit& unit, const AttentionShape& shape,
                               const AttentionParams& params, float* out, std::byte* scratch) {
  static_assert(kernels::kAttentionBlock == kBlockTokens && kernels::kAttentionPart == kPartTokens);
  const AttentionSpan& span = *unit.span;
  return {.q = q,
          .out = out,
          .row_begin = span.row_begin,
          .position = span.position,
          .keys = span.keys,
          .key_blocks = span.key_blocks.data(),
          .value_blocks = span.value_blocks.data(),
          .keys_at = span.keys_at,
          .values_at = span.values_at,
          .format = key_format(span.dtype),
          .by_head = span.by_head,
          .heads = shape.heads,
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim,
          .scale = params.scale,
          .softcap = params.softcap,
          .window = params.window,
          .causal = params.causal,
          .sinks = params.sinks.defined() ? params.sinks.data<float>() : nullptr,
          .kv_head = unit.kv_head,
          .begin = unit.begin,
          .end = unit.end,
          .scratch = scratch};
}

template <const kernels::CpuAttention& kAttention>
kernels::LineBuffer scratch_for(const AttentionUnit& unit, const AttentionShape& shape) {
  const int64_t queries = (unit.end - unit.begin) * (shape.heads / shape.kv_heads);
  return kernels::LineBuffer(kAttention.scratch(shape.head_dim, queries));
}

template <const kernels::CpuAttention& kAttention>
void attend_whole(const float* q, const AttentionUnit& unit, const AttentionShape& shape, const AttentionParams& params,
                  float* out) {
  kernels::LineBuffer scratch = scratch_for<kAttention>(unit, shape);
  kAttention.whole(call_of(q, unit, shape, params, out, scratch.data()));
}

template <const kernels::CpuAttention& kAttention>
void attend_part(const float* q, const AttentionUnit& unit, const AttentionShape& shape, const AttentionParams& params,
                 int64_t part, float* states) {
  kernels::LineBuffer scratch = scratch_for<kAttention>(unit, shape);
  kAttention.part(call_of(q, unit, shape, params, nullptr, scratch.data()), part, states);
}

template <const kernels::CpuAttention& kAttention>
void join_parts(const float* states, int64_t parts, const AttentionUnit& unit, const AttentionShape& shape,
                const AttentionParams& params, float* out) {
  kernels::LineBuffer scratch = scratch_for<kAttention>(unit, shape);
  kAttention.join(call_of(nullptr, unit, shape, params, out, scratch.data()), states, parts);
}

template <const kernels::CpuAttention& kAttention>
AttentionKernels attention_for() {
  return {.whole = attend_whole<kAttention>,
          .part = attend_part<kAttention>,
          .join = join_parts<kAttention>,
          .state_floats = kAttention.state,
          .to_half = kAttention.to_half,
          .to_pairs = kAttention.to_pairs};
}

template <const kernels::CpuKernels& kCpu>
KernelTable table_for(Isa isa, const AttentionKernels& attention) {
  KernelTable table;
  table.isa = isa_name(isa);
  table.pack = pack_for<kCpu>;
  table.product_together = kernels::product_together;
  table.attention = attention;
  table.rms_norm = kCpu.rms_norm;
  table.silu_mul = kCpu.silu_mul;
  table.gelu_tanh_mul = kCpu.gelu_tanh_mul;
  table.peaks = kCpu.peaks;
  return table;
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
#if defined(__x86_64__)
  static const KernelTable kAvx2 =
      table_for<kernels::avx2::kKernels>(Isa::kAvx2, attention_for<kernels::avx2::kAttention>());
  static const KernelTable kAvxVnni =
      table_for<kernels::avxvnni::kKernels>(Isa::kAvxVnni, attention_for<kernels::avxvnni::kAttention>());
  static const KernelTable kAvx512 =
      table_for<kernels::avx512::kKernels>(Isa::kAvx512, attention_for<kernels::avx512::kAttention>());
  static const KernelTable kAvx512Vnni =
      table_for<kernels::avx512vnni::kKernels>(Isa::kAvx512Vnni, attention_for<kernels::avx512vnni::kAttention>());
  static const KernelTable kAvx512Bf16 =
      table_for<kernels::avx512vnni::kKernels>(Isa::kAvx512Bf16, attention_for<kernels::avx512bf16::kAttention>());
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
    case Isa::kAvx512Bf16:
      return kAvx512Bf16;
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
