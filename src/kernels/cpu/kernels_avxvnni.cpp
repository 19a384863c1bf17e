#define LINNET_KERNEL_ISA avxvnni
#include "kernels/cpu/simd_avx2.hpp"
//
#include "kernels/cpu/integers_inl.hpp"
