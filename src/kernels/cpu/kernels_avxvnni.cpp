#define LINNET_KERNEL_ISA avxvnni
#include "kernels/cpu/simd_avx2.hpp"
//
#include "kernels/cpu/math_inl.hpp"
// After the maths that they use.
#include "kernels/cpu/attention_inl.hpp"
#include "kernels/cpu/integers_inl.hpp"
