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

// The sums of several tiles to memory that tiles come back from: one tile after the other.
template <int kDown, int kPanels>
LINNET_INLINE void keep_sums(std::byte* kept) {
  tile_store<0>(kept, kTileRowBytes);
  if constexpr (kPanels > 1) tile_store<1>(kept + kTileBytes, kTileRowBytes);
  if constexpr (kDown > 1) tile_store<2>(kept + kPanels * kTileBytes, kTileRowBytes);
  if constexpr (kDown > 1 && kPanels > 1) tile_store<3>(kept + 3 * kTileBytes, kTileRowBytes);
}
template <int kDown, int kPanels>
LINNET_INLINE void load_sums(const std::byte* kept) {
  tile_load<0>(kept, kTileRowBytes);
  if constexpr (kPanels > 1) tile_load<1>(kept + kTileBytes, kTileRowBytes);
  if constexpr (kDown > 1) tile_load<2>(kept + kPanels * kTileBytes, kTileRowBytes);
  if constexpr (kDown > 1 && kPanels > 1) tile_load<3>(kept + 3 * kTileBytes, kTileRowBytes);
}

// Whether what stands left is needed once more soon, or passes by what stands right, which then stays in the first
// cache.
enum class Left : uint8_t { kStays, kPasses };
template <int kTile, Left kLeft>
LINNET_INLINE void load_left(const std::byte* from) {
  if constexpr (kLeft == Left::kPasses) {
    tile_load_passing<kTile>(from, kTileRowBytes);
  } else {
    tile_load<kTile>(from, kTileRowBytes);
  }
}

// Adds the product of one tile, or of an upper and a lower one, with kPanels tiles that lie one after the other.
template <int kDown, int kPanels, Left kLeft = Left::kStays>
LINNET_INLINE void add_step(const std::byte* upper, const std::byte* lower, const std::byte* right) {
  tile_load<6>(right, kTileRowBytes);
  load_left<4, kLeft>(upper);
  tile_add_product<0, 4, 6>();
  if constexpr (kPanels > 1) {
    tile_load<7>(right + kTileBytes, kTileRowBytes);
    tile_add_product<1, 4, 7>();
  }
  if constexpr (kDown > 1) {
    load_left<5, kLeft>(lower);
    tile_add_product<2, 5, 6>();
    if constexpr (kPanels > 1) tile_add_product<3, 5, 7>();
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
