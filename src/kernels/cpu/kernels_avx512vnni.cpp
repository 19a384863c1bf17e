#define LINNET_KERNEL_ISA avx512vnni
#include "kernels/cpu/simd_avx512.hpp"
//
#include "kernels/cpu/integers_inl.hpp"
