#define LINNET_KERNEL_ISA armbf16
#include "kernels/cpu/simd_neon.hpp"
//
#include "kernels/cpu/math_inl.hpp"
// After the maths that it uses.
#include "kernels/cpu/attention_inl.hpp"
#include "kernels/cpu/bf16_peak_inl.hpp"
#include "kernels/cpu/matmul_pairs_inl.hpp"

namespace linnet::kernels::armbf16 {

constexpr int kPairDepth = 384;
constexpr int kPairBytes = sizeof(PairOperand::Number);

constexpr PairKernels kPairs{
    {kMatmulRows, kMatmulCols, kPairDepth, kPairBytes / 2, pack_pairs, multiply_tile<PairOperand>}, multiply_bf16};

}  // namespace linnet::kernels::armbf16
