// One step of a product of two by two tiles (AMX), or of fewer.
#pragma once

#include "kernels/cpu/cpu_kernels.hpp"

#ifndef LINNET_KERNEL_ISA
#error "included by the kernel file of one instruction set"
#endif

namespace linnet::kernels::LINNET_KERNEL_ISA {
namespace {

// Sums of kDown tiles of rows with kPanels of columns are tiles 0 to 3, what stands left 4 and 5, right 6 and 7.
constexpr int kMostDown = 2;
constexpr int kPanelsAcross = 2;

template <int kDown, int kPanels>
LINNET_INLINE void zero_sums() {
  tile_zero<0>();
  if constexpr (kPanels > 1) tile_zero<1>();
  if constexpr (kDown > 1) tile_zero<2>();
  if constexpr (kDown > 1 && kPanels > 1) tile_zero<3>();
}

// Adds the product of one tile, or of an upper and a lower one, with kPanels tiles that lie one after the other.
template <int kDown, int kPanels>
LINNET_INLINE void add_step(const std::byte* upper, const std::byte* lower, const std::byte* right) {
  tile_load<6>(right, kTileRowBytes);
  tile_load<4>(upper, kTileRowBytes);
  tile_add_product<0, 4, 6>();
  if constexpr (kPanels > 1) {
    tile_load<7>(right + kTileBytes, kTileRowBytes);
    tile_add_product<1, 4, 7>();
  }
  if constexpr (kDown > 1) {
    tile_load<5>(lower, kTileRowBytes);
    tile_add_product<2, 5, 6>();
    if constexpr (kPanels > 1) tile_add_product<3, 5, 7>();
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
