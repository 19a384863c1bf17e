#include "train/stochastic_rounding.hpp"

#include <algorithm>
#include <bit>

#include "base/check.hpp"
#include "base/random.hpp"

namespace linnet {

BFloat16 round_stochastically(float value, uint16_t level) {
  constexpr uint32_t kLargest = 0x7F7F;  // the largest finite bfloat16
  constexpr uint32_t kInfinity = 0x7F800000;
  constexpr uint32_t kQuiet = 0x0040;  // keeps a NaN one whose other bits are cut off
  const auto bits = std::bit_cast<uint32_t>(value);
  // Magnitudes are ordered as their bits: a carry out of the fraction is the next number, of the next exponent too.
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint32_t rounded = std::min((magnitude + level) >> 16, kLargest);
  const uint32_t special = magnitude >> 16 | (magnitude > kInfinity ? kQuiet : 0);
  return {static_cast<uint16_t>((bits >> 16 & 0x8000) | (magnitude < kInfinity ? rounded : special))};
}

void StochasticRounding::round(uint64_t begin, int64_t n, const float* x, BFloat16* out) const {
  // Of the place: no mask of dropout under the same seed has it.
  constexpr uint32_t kOfRounding = uint32_t{1} << 31;
  CHECK(tensor < kOfRounding);
  constexpr int64_t kNumbers = 256;
  uint16_t levels[kNumbers];
  for (int64_t i = 0; i < n; i += kNumbers) {
    const int64_t count = std::min(kNumbers, n - i);
    random_levels(seed, step, tensor | kOfRounding, begin + static_cast<uint64_t>(i), count, levels);
    for (int64_t j = 0; j < count; ++j) out[i + j] = round_stochastically(x[i + j], levels[j]);
  }
}

}  // namespace linnet
