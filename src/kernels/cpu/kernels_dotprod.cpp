#define LINNET_KERNEL_ISA dotprod
#include "kernels/cpu/simd_neon.hpp"
//
#include "kernels/cpu/math_inl.hpp"
// After the maths that they use.
#include "kernels/cpu/attention_inl.hpp"
#include "kernels/cpu/floats_inl.hpp"
#include "kernels/cpu/integers_inl.hpp"
