#define LINNET_KERNEL_ISA armbf16
#include "kernels/cpu/simd_neon.hpp"
//
#include "kernels/cpu/math_inl.hpp"
// After the maths that they use.
#include "kernels/cpu/attention_inl.hpp"
#include "kernels/cpu/pairs_inl.hpp"
