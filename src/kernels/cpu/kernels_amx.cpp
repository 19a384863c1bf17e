#define LINNET_KERNEL_ISA amx
#include "kernels/cpu/simd_avx512.hpp"
// After what it adds to.
#include "kernels/cpu/simd_amx.hpp"
//
#include "kernels/cpu/math_inl.hpp"
// After the maths that they use.
#include "kernels/cpu/attention_inl.hpp"
#include "kernels/cpu/matmul_by_tiles_inl.hpp"
#include "kernels/cpu/tile_quant_inl.hpp"
