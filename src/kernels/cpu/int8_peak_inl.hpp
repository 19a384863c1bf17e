// Loops that do one thing as fast as the instruction set can: what `linnet bench` holds the real work against.
#pragma once

#include <algorithm>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/unroll_inl.hpp"

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
  constexpr int kSums = kRowTile<4> * kPanelTile;
  alignas(64) std::byte bytes[64] = {};
  int8_t activations[kSums][4 * kQuads];  // a row for each sum, or one product would serve them all
  for (auto& row : activations) std::fill_n(row, 4 * kQuads, static_cast<int8_t>(rounds % 2));
  U8 codes = load_line(bytes);
  Dot<4> sums[kSums];
  unroll<0, kSums>([&]<int kSum>() __attribute__((always_inline)) { sums[kSum].start(0); });
  for (int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : : "r"(activations) : "memory");  // loads may not move out of the loop
    unroll<0, kQuads>([&]<int kIndex>() __attribute__((always_inline)) {
      unroll<0, kSums>([&]<int kSum>() __attribute__((always_inline)) {
        sums[kSum].template step<kIndex, kQuads>(Dot<4>::prepare(codes), activations[kSum] + int64_t{4} * kIndex);
      });
      hide(codes);
    });
    unroll<0, kSums>([&]<int kSum>() __attribute__((always_inline)) { hide(sums[kSum].sum); });
  }
  return rounds * kQuads * kSums * kLanes * 4 * 2;
}
#endif

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
