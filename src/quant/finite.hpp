// Where stored numbers are NaN or infinite: a damaged file, or a training run that diverged. Blocks are judged by their
// scales, so that a model of gigabytes is looked through in milliseconds.
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/block.hpp"

namespace linnet {

inline bool is_finite(Half h) {
  return (h.bits & 0x7C00) != 0x7C00;
}

// False when some element of the block may be NaN or infinite. A half-precision scale times the largest code of any
// format is far below float32's largest, so those overflow only if they are infinite themselves.
template <class Block>
bool has_finite_scales(const Block& block) {
  bool finite = true;
  if constexpr (requires { block.d; }) finite &= is_finite(block.d);
  if constexpr (requires { block.m; }) finite &= is_finite(block.m);
  if constexpr (requires { block.dmin; }) finite &= is_finite(block.dmin);
  if constexpr (requires { block.e; }) finite &= block.e < 253;  // 2^(252 - 127) * 6 still fits, one more may not
  return finite;
}

inline int64_t first_not_finite(const float* values, int64_t count) {
  const float* bad = std::find_if(values, values + count, [](float x) { return !std::isfinite(x); });
  return bad == values + count ? -1 : bad - values;
}

// Index of the first element that is NaN or infinite; -1: none.
template <class Block>
int64_t first_not_finite_in_blocks(const std::byte* blocks, int64_t elements) {
  for (int64_t first = 0; first < elements; first += Block::kElements, blocks += sizeof(Block)) {
    Block block;
    std::memcpy(&block, blocks, sizeof(Block));
    if (has_finite_scales(block)) continue;
    float values[Block::kElements];
    decode_block(block, values);
    const int64_t within = first_not_finite(values, Block::kElements);
    if (within >= 0) return first + within;
  }
  return -1;
}

// The same for plain floats whose exponent bits are `mask`: all of them set means NaN or infinity.
template <class Bits, Bits mask>
int64_t first_not_finite_in_floats(const std::byte* floats, int64_t elements) {
  constexpr int64_t kChunk = 64;  // of a fixed length, so that the loop over it becomes vector instructions
  const auto bad = [&](int64_t i) {
    Bits bits;
    std::memcpy(&bits, floats + i * static_cast<int64_t>(sizeof(Bits)), sizeof(Bits));
    return (bits & mask) == mask;
  };
  int64_t i = 0;
  for (; i + kChunk <= elements; i += kChunk) {
    bool found = false;
    for (int64_t j = 0; j < kChunk; ++j) found |= bad(i + j);
    if (found) break;
  }
  for (; i < elements; ++i) {
    if (bad(i)) return i;
  }
  return -1;
}

}  // namespace linnet
