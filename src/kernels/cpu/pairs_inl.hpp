// Products of pairs of bfloat16 of one instruction set, after its simd header.
#pragma once

#include "kernels/cpu/bf16_peak_inl.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/keep_pairs_inl.hpp"
#include "kernels/cpu/matmul_pairs_inl.hpp"
#include "kernels/cpu/turn_inl.hpp"

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

constexpr int kPairDepth = 384;
constexpr int kPairBytes = sizeof(PairOperand::Number);

}  // namespace

constexpr PairKernels kPairs{{.rows = kMatmulRows,
                              .cols = kMatmulCols,
                              .depth = kPairDepth,
                              .depth_unit = 2,
                              .number_bytes = kPairBytes / 2,
                              .pack_a = pack_pairs,
                              .pack_b = pack_pairs,
                              .place_in_b = place_in_pairs,
                              .tile = multiply_tile<PairOperand>,
                              .tile_of_column = multiply_tile<PairOperand>,
                              .turn = turn_tile},
                             keep_pairs,
                             multiply_bf16};

}  // namespace linnet::kernels::LINNET_KERNEL_ISA
