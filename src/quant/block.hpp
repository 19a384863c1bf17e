// What the block formats share. A block holds a fixed run of consecutive elements of one row; a row is whole blocks.
// All numbers in a block are little-endian, as in the files.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.hpp"

namespace linnet {

static_assert(std::endian::native == std::endian::little, "blocks are read from mapped files as they are");

inline constexpr int kSuperBlock = 256;  // elements in a block of the k-quants ("QK_K" in ggml)

// The eight (scale, minimum) pairs of a Q4_K or Q5_K block, six bits each, in twelve bytes: bytes 0–3 hold scales 0–3
// and 4–7 minima 0–3 in their low six bits; their top two bits are the upper bits of pairs 4–7, whose low four bits are
// in bytes 8–11 (scale below, minimum above).
struct ScaleMin {
  uint8_t scale;
  uint8_t min;
};
inline ScaleMin unpack_scale_min(const uint8_t* packed, int pair) {
  if (pair < 4) return {static_cast<uint8_t>(packed[pair] & 63), static_cast<uint8_t>(packed[pair + 4] & 63)};
  const uint8_t low = packed[pair + 4];
  return {static_cast<uint8_t>((low & 15) | (packed[pair - 4] >> 6) << 4),
          static_cast<uint8_t>((low >> 4) | (packed[pair] >> 6) << 4)};
}

}  // namespace linnet
