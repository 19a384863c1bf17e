#define LINNET_KERNEL_ISA avx512vnni
#include "kernels/cpu/simd_avx512.hpp"
//
#include "kernels/cpu/math_inl.hpp"
// After the maths that they use.
#include "kernels/cpu/attention_inl.hpp"
#include "kernels/cpu/integers_inl.hpp"
