// The float kernels of one instruction set, after its simd header: explicit lines.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/float_inl.hpp"
#include "kernels/cpu/float_peak_inl.hpp"
#include "kernels/cpu/matmul_inl.hpp"
#include "kernels/cpu/quantise_inl.hpp"
#include "kernels/cpu/row_ops_inl.hpp"
#include "kernels/cpu/turn_inl.hpp"
// After what they use of it.
#include "kernels/cpu/norm_inl.hpp"
#include "kernels/cpu/scores_inl.hpp"
#include "kernels/cpu/softmax_inl.hpp"

namespace linnet::kernels::LINNET_KERNEL_ISA {

constexpr FloatKernels kFloats{
    .f32 = float_product<FloatFormat::kF32>,
    .f16 = float_product<FloatFormat::kF16>,
    .bf16 = float_product<FloatFormat::kBF16>,
    .matmul = {.rows = kMatmulRows,
               .cols = kMatmulCols,
               .depth = kFloatDepth,
               .depth_unit = 2,
               .number_bytes = sizeof(float),
               .pack_a = pack_floats,
               .pack_b = pack_floats,
               .place_in_b = place_in_floats,
               .tile = multiply_tile<FloatOperand>,
               .tile_of_column = multiply_tile<FloatOperand>,
               .turn = turn_tile},
    .quantise = {quantise<1>, quantise<2>},
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .norm_vjp = norm_vjp,
    .add = add_numbers,
    .drop = drop_numbers,
    .rotate = rotate,
    .silu_mul = gate<Silu>,
    .gelu_mul = gate<Gelu>,
    .gelu_tanh_mul = gate<GeluTanh>,
    .silu_mul_vjp = gate_vjp<Silu>,
    .gelu_mul_vjp = gate_vjp<Gelu>,
    .gelu_tanh_mul_vjp = gate_vjp<GeluTanh>,
    .exp_shifted = exp_shifted,
    .softmax = softmax,
    .softmax_vjp = softmax_vjp,
    .scores = {.raise = raise_scores, .weigh = weigh_scores, .back = scores_back},
    .multiply_f32 = multiply_f32,
    .read_lines = read_lines,
};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
