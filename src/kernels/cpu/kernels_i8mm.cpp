#define LINNET_KERNEL_ISA i8mm
#include "kernels/cpu/simd_neon.hpp"
//
#include "kernels/cpu/integers_inl.hpp"
