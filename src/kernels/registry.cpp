#include "kernels/registry.hpp"

#include <cstdlib>

#include "kernels/attention_head.hpp"
#include "kernels/line_buffer.hpp"
#include "kernels/matmul.hpp"
#include "kernels/packed_matrix.hpp"
#include "kernels/products.hpp"

namespace linnet {

namespace {

// An entry of a KernelTable is a plain function: the instruction set is its template argument.
template <const kernels::CpuKernels& kCpu>
std::unique_ptr<PackedMatrix> pack_for(ThreadPool& pool, const MatrixView& matrix, ActivationBits bits,
                                       const ReleaseBytes& release) {
  return kernels::pack_matrix(kCpu, pool, matrix, bits, release);
}

template <const kernels::CpuKernels& kCpu>
std::unique_ptr<PackedMatrix> pack_turned_for(ThreadPool& pool, const RowsToTurn& rows) {
  return kernels::pack_turned(kCpu, pool, rows);
}

kernels::KeyFormat key_format(DType dtype) {
  return dtype == DType::kF32   ? kernels::KeyFormat::kF32
         : dtype == DType::kF16 ? kernels::KeyFormat::kF16
         : dtype == DType::kI8  ? kernels::KeyFormat::kI8
         : dtype == DType::kI16 ? kernels::KeyFormat::kWordPairs
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
          .bias = params.bias.defined() ? ops::bias_of(params.bias, 0, 0) : nullptr,
          .bias_stride = params.bias.defined() ? params.bias.dim(1) : 0,
          .kv_head = unit.kv_head,
          .begin = unit.begin,
          .end = unit.end,
          .scratch = scratch};
}

// What a thread keeps for its next units: there are tens of thousands a second, and the system would clear the pages of
// new memory each time.
template <const kernels::CpuKernels& kCpu>
std::byte* scratch_for(const AttentionUnit& unit, const AttentionShape& shape) {
  thread_local int64_t size = 0;
  thread_local kernels::LineBuffer kept(0);
  const int64_t queries = (unit.end - unit.begin) * (shape.heads / shape.kv_heads);
  const int64_t bytes = kCpu.attention->scratch(shape.head_dim, queries);
  if (bytes > size) {
    kept = kernels::LineBuffer(bytes);
    size = bytes;
  }
  return kept.data();
}

template <const kernels::CpuKernels& kCpu>
void attend_whole(const float* q, const AttentionUnit& unit, const AttentionShape& shape, const AttentionParams& params,
                  float* out) {
  std::byte* scratch = scratch_for<kCpu>(unit, shape);
  kCpu.attention->whole(call_of(q, unit, shape, params, out, scratch));
}

template <const kernels::CpuKernels& kCpu>
void attend_part(const float* q, const AttentionUnit& unit, const AttentionShape& shape, const AttentionParams& params,
                 int64_t part, float* states) {
  std::byte* scratch = scratch_for<kCpu>(unit, shape);
  kCpu.attention->part(call_of(q, unit, shape, params, nullptr, scratch), part, states);
}

template <const kernels::CpuKernels& kCpu>
void join_parts(const float* states, int64_t parts, const AttentionUnit& unit, const AttentionShape& shape,
                const AttentionParams& params, float* out) {
  std::byte* scratch = scratch_for<kCpu>(unit, shape);
  kCpu.attention->join(call_of(nullptr, unit, shape, params, out, scratch), states, parts);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
const kernels::MatmulKernels& matmul_kernels() {
  if constexpr (kNumbers == DType::kBF16) {
    return kCpu.pairs->matmul;
  } else {
    return kCpu.floats->matmul;
  }
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
void matmul(ThreadPool& pool, MatmulCalls calls, std::byte* workspace) {
  kernels::matmul(matmul_kernels<kCpu, kNumbers>(), pool, calls, workspace);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
void joined(ThreadPool& pool, const JoinedProducts& products, std::byte* workspace) {
  kernels::matmul_joined(matmul_kernels<kCpu, kNumbers>(), pool, products, workspace);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
void pack_operand(ThreadPool& pool, const MatmulCall& call, std::byte* out) {
  kernels::pack_operand(matmul_kernels<kCpu, kNumbers>(), pool, call, out);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
void operand_row(const PackedOperand& operand, int64_t row, float* out) {
  kernels::operand_row(matmul_kernels<kCpu, kNumbers>(), operand, row, out);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
int64_t operand_bytes(int64_t k, int64_t n) {
  return kernels::operand_bytes(matmul_kernels<kCpu, kNumbers>(), k, n);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
void attention_head(const AttentionHeadCall& call, std::byte* workspace) {
  kernels::attention_head(matmul_kernels<kCpu, kNumbers>(), kCpu.floats->scores, call, workspace);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
void attention_head_back(const AttentionHeadBackCall& call, std::byte* workspace) {
  kernels::attention_head_back(matmul_kernels<kCpu, kNumbers>(), kCpu.floats->scores, call, workspace);
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
constexpr auto keep_pairs() {
  if constexpr (kNumbers == DType::kBF16) {
    return kCpu.pairs->keep;
  } else {
    return nullptr;
  }
}

template <const kernels::CpuKernels& kCpu, DType kNumbers>
constexpr FloatProducts float_products() {
  return {.numbers = kNumbers,
          .tile_rows = matmul_kernels<kCpu, kNumbers>().rows,
          .matmul = matmul<kCpu, kNumbers>,
          .joined = joined<kCpu, kNumbers>,
          .keep_pairs = keep_pairs<kCpu, kNumbers>(),
          .pack_operand = pack_operand<kCpu, kNumbers>,
          .operand_bytes = operand_bytes<kCpu, kNumbers>,
          .operand_row = operand_row<kCpu, kNumbers>,
          .attention_heads = {.forth = attention_head<kCpu, kNumbers>, .back = attention_head_back<kCpu, kNumbers>}};
}

template <const kernels::CpuKernels& kCpu>
KernelTable table_for(Isa isa) {
  KernelTable table;
  table.isa = isa_name(isa);
  table.pack = pack_for<kCpu>;
  table.products_together = kernels::products_together;
  table.gated_products = kernels::gated_products;
  if constexpr (kCpu.tiles == nullptr) table.pack_turned = pack_turned_for<kCpu>;
  table.attention = {.whole = attend_whole<kCpu>,
                     .part = attend_part<kCpu>,
                     .join = join_parts<kCpu>,
                     .state_floats = kCpu.attention->state,
                     .to_half = kCpu.attention->to_half,
                     .to_pairs = kCpu.attention->to_pairs,
                     .to_words = kCpu.attention->to_words};
  table.f32 = float_products<kCpu, DType::kF32>();
  if constexpr (kCpu.pairs != nullptr) table.bf16 = float_products<kCpu, DType::kBF16>();
  table.attention_head_workspace = kernels::attention_head_workspace;
  table.matmul_workspace = kernels::matmul_workspace;
  table.can_join = kernels::can_join;
  table.joined_workspace = kernels::joined_workspace;
  table.rms_norm = kCpu.floats->rms_norm;
  table.layer_norm = kCpu.floats->layer_norm;
  table.norm_vjp = kCpu.floats->norm_vjp;
  table.add = kCpu.floats->add;
  table.drop = kCpu.floats->drop;
  table.rotate = kCpu.floats->rotate;
  table.silu_mul = kCpu.floats->silu_mul;
  table.gelu_mul = kCpu.floats->gelu_mul;
  table.gelu_tanh_mul = kCpu.floats->gelu_tanh_mul;
  table.silu_mul_vjp = kCpu.floats->silu_mul_vjp;
  table.gelu_mul_vjp = kCpu.floats->gelu_mul_vjp;
  table.gelu_tanh_mul_vjp = kCpu.floats->gelu_tanh_mul_vjp;
  table.exp_shifted = kCpu.floats->exp_shifted;
  table.softmax = kCpu.floats->softmax;
  table.softmax_vjp = kCpu.floats->softmax_vjp;
  table.peaks = {.multiply_int8 = kCpu.integers->multiply_int8,
                 .multiply_f32 = kCpu.floats->multiply_f32,
                 .read_lines = kCpu.floats->read_lines};
  if constexpr (kCpu.pairs != nullptr) table.peaks.multiply_bf16 = kCpu.pairs->multiply_bf16;
  return table;
}

#if defined(__x86_64__)
constexpr kernels::CpuKernels kAvx2{&kernels::avx2::kIntegers, &kernels::avx2::kFloats, &kernels::avx2::kAttention,
                                    nullptr, nullptr};
constexpr kernels::CpuKernels kAvxVnni{&kernels::avxvnni::kIntegers, kAvx2.floats, &kernels::avxvnni::kAttention,
                                       nullptr, nullptr};
constexpr kernels::CpuKernels kAvx512{&kernels::avx512::kIntegers, &kernels::avx512::kFloats,
                                      &kernels::avx512::kAttention, nullptr, nullptr};
constexpr kernels::CpuKernels kAvx512Vnni{&kernels::avx512vnni::kIntegers, kAvx512.floats,
                                          &kernels::avx512vnni::kAttention, nullptr, nullptr};
constexpr kernels::CpuKernels kAvx512Bf16{kAvx512Vnni.integers, kAvx512.floats, &kernels::avx512bf16::kAttention,
                                          &kernels::avx512bf16::kPairs, nullptr};
constexpr kernels::CpuKernels kAmx{kAvx512Vnni.integers, kAvx512.floats, &kernels::amx::kAttention,
                                   &kernels::amx::kPairs, &kernels::amx::kTileKernels};
#elif defined(__aarch64__)
constexpr kernels::CpuKernels kDotprod{&kernels::dotprod::kIntegers, &kernels::dotprod::kFloats,
                                       &kernels::dotprod::kAttention, nullptr, nullptr};
constexpr kernels::CpuKernels kI8mm{&kernels::i8mm::kIntegers, kDotprod.floats, kDotprod.attention, nullptr, nullptr};
constexpr kernels::CpuKernels kArmBf16{kI8mm.integers, kDotprod.floats, &kernels::armbf16::kAttention,
                                       &kernels::armbf16::kPairs, nullptr};
#endif

}  // namespace

const KernelTable& kernel_table(Isa isa) {
#if defined(__x86_64__)
  static const KernelTable kTableAvx2 = table_for<kAvx2>(Isa::kAvx2);
  static const KernelTable kTableAvxVnni = table_for<kAvxVnni>(Isa::kAvxVnni);
  static const KernelTable kTableAvx512 = table_for<kAvx512>(Isa::kAvx512);
  static const KernelTable kTableAvx512Vnni = table_for<kAvx512Vnni>(Isa::kAvx512Vnni);
  static const KernelTable kTableAvx512Bf16 = table_for<kAvx512Bf16>(Isa::kAvx512Bf16);
  static const KernelTable kTableAmx = table_for<kAmx>(Isa::kAmx);
  switch (isa) {
    case Isa::kAvx2:
      return kTableAvx2;
    case Isa::kAvxVnni:
      return kTableAvxVnni;
    case Isa::kAvx512:
      return kTableAvx512;
    case Isa::kAvx512Vnni:
      return kTableAvx512Vnni;
    case Isa::kAvx512Bf16:
      return kTableAvx512Bf16;
    case Isa::kAmx:
      return kTableAmx;
    default:
      break;
  }
#elif defined(__aarch64__)
  static const KernelTable kTableDotprod = table_for<kDotprod>(Isa::kDotprod);
  static const KernelTable kTableI8mm = table_for<kI8mm>(Isa::kI8mm);
  static const KernelTable kTableArmBf16 = table_for<kArmBf16>(Isa::kArmBf16);
  switch (isa) {
    case Isa::kDotprod:
      return kTableDotprod;
    case Isa::kI8mm:
      return kTableI8mm;
    case Isa::kArmBf16:
      return kTableArmBf16;
    default:
      break;
  }
#endif
  return reference_kernels();
}

int64_t packed_bytes(QuantType type, int64_t rows, int64_t cols) {
  return kernels::packed_bytes(type, rows, cols);
}

Result<const KernelTable*> kernel_table_for_this_machine() {
  const char* forced = std::getenv("LINNET_ISA");
  TRY_ASSIGN(const Isa isa, choose_isa(forced ? forced : ""));
  return &kernel_table(isa);
}

}  // namespace linnet
