#define LINNET_KERNEL_ISA avx2
#include "kernels/cpu/simd_avx2.hpp"
//
#include "kernels/cpu/kernels_inl.hpp"
