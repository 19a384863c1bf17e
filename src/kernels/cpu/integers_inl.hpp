// The integer kernels of one instruction set, after its simd header: explicit lines.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/int8_peak_inl.hpp"
#include "kernels/cpu/quant_inl.hpp"

namespace linnet::kernels::LINNET_KERNEL_ISA {

// Eight bits, but where those are multiplied as two nibbles, which takes twice the time of six.
#ifdef LINNET_KERNEL_WORDS
inline constexpr PanelFormat kPanelTurned = kPanelTurned6;
#else
inline constexpr PanelFormat kPanelTurned = kPanelQ8_0;
#endif

constexpr IntegerKernels kIntegers{
    .q4_0 = quant_kernels<kPanelQ4_0>(),
    .q4_1 = quant_kernels<kPanelQ4_1>(),
    .q5_0 = quant_kernels<kPanelQ5_0>(),
    .q5_1 = quant_kernels<kPanelQ5_1>(),
    .q8_0 = quant_kernels<kPanelQ8_0>(),
    .q2_k = quant_kernels<kPanelQ2_K>(),
    .q3_k = quant_kernels<kPanelQ3_K>(),
    .q4_k = quant_kernels<kPanelQ4_K>(),
    .q5_k = quant_kernels<kPanelQ5_K>(),
    .q6_k = quant_kernels<kPanelQ6_K>(),
    .iq4_nl = quant_kernels<kPanelIQ4_NL>(),
    .iq4_xs = quant_kernels<kPanelIQ4_XS>(),
    .mxfp4 = quant_kernels<kPanelMXFP4>(),
    .turned = quant_kernels<kPanelTurned>(),
    .turned_offset = kPanelTurned.offset,
    .multiply_int8 = multiply_int8,
};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
