// Loops that do one thing as fast as the instruction set can: what `linnet bench` holds the real work against.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

#ifdef LINNET_KERNEL_ROW_PAIRS
// The products of two rows with two vectors as those of many rows use them, without loads of weights.
int64_t multiply_int8(int64_t rounds) {
  constexpr int kSums = 3;  // of eight registers each
  constexpr int kVectors = 2;
  constexpr int kColumns = 8;
  alignas(64) std::byte bytes[128] = {};
  int8_t activations[kColumns] = {};
  RowPairs codes = load_row_pairs(bytes);
  TwoDots sums[kSums];
  for (auto& sum : sums) sum.start(0, 0);
  for (int64_t i = 0; i < rounds; ++i) {
    for (auto& sum : sums) sum.step(codes, activations, activations);
    hide(codes);
    for (auto& sum : sums) hide(sum);
  }
  return rounds * kSums * kVectors * kColumns * kLanes * 2;
}
#else
// The integer dot product as matrix products use it for codes of four bits, without loads of weights.
int64_t multiply_int8(int64_t rounds) {
  constexpr int kQuads = 8;  // of one group of 32
  alignas(64) std::byte bytes[64] = {};
  int8_t activations[4 * kQuads] = {};
  U8 codes = load_line(bytes);
  Dot<4> sums[kPeakSums];
  for (auto& sum : sums) sum.start(0);
  const auto step = [&]<int kIndex>() {
    for (auto& sum : sums) sum.template step<kIndex, kQuads>(Dot<4>::prepare(codes), activations + int64_t{4} * kIndex);
    hide(codes);
  };
  for (int64_t i = 0; i < rounds; ++i) {
    step.template operator()<0>();
    step.template operator()<1>();
    step.template operator()<2>();
    step.template operator()<3>();
    step.template operator()<4>();
    step.template operator()<5>();
    step.template operator()<6>();
    step.template operator()<7>();
    for (auto& sum : sums) hide(sum.sum);
  }
  return rounds * kQuads * kPeakSums * kLanes * 4 * 2;
}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
