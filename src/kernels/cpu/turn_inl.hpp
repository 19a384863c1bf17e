// Tiles of products that are stored as their transpose.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// See MatmulKernels::turn.
void turn_tile(const float* tile, int64_t tile_stride, int64_t rows, int64_t cols, float* out, int64_t out_stride) {
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t j = 0; j < cols; j += kLanes) {
      const int64_t across = cols - j < kLanes ? cols - j : kLanes;
      const int64_t down = rows - r < kLanes ? rows - r : kLanes;
      I32 lines[kLanes] = {};
      for (int64_t i = 0; i < down; ++i) {
        lines[i] = f32_to_bits(load_first(tile + (r + i) * tile_stride + j, across));
      }
      transpose<kLanes>(lines);
      for (int64_t i = 0; i < across; ++i) {
        store_first(out + (j + i) * out_stride + r, down, bits_to_f32(lines[i]));
      }
    }
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
