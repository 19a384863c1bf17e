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

// What is not needed again soon, and leaves the first cache to the rest.
enum class Passes : uint8_t { kNothing, kLeft, kRight };
template <int kTile, bool kPasses>
LINNET_INLINE void load_factor(const std::byte* from) {
  if constexpr (kPasses) {
    tile_load_passing<kTile>(from, kTileRowBytes);
  } else {
    tile_load<kTile>(from, kTileRowBytes);
  }
}

// Adds the product of one tile, or of an upper and a lower one, with kPanels tiles that lie one after the other.
template <int kDown, int kPanels, Passes kPasses = Passes::kNothing>
LINNET_INLINE void add_step(const std::byte* upper, const std::byte* lower, const std::byte* right) {
  constexpr bool kLeftPasses = kPasses == Passes::kLeft;
  constexpr bool kRightPasses = kPasses == Passes::kRight;
  load_factor<6, kRightPasses>(right);
  load_factor<4, kLeftPasses>(upper);
  tile_add_product<0, 4, 6>();
  if constexpr (kPanels > 1) {
    load_factor<7, kRightPasses>(right + kTileBytes);
    tile_add_product<1, 4, 7>();
  }
  if constexpr (kDown > 1) {
    load_factor<5, kLeftPasses>(lower);
    tile_add_product<2, 5, 6>();
    if constexpr (kPanels > 1) tile_add_product<3, 5, 7>();
  }
}

}  // namespace
}  // namespace linnet::kernels::LINNET_KERNEL_ISA
