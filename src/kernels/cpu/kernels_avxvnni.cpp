#define LINNET_KERNEL_ISA avxvnni
#include "kernels/cpu/simd_avx2.hpp"
//
#include "kernels/cpu/kernels_inl.hpp"
