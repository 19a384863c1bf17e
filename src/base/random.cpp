#include "base/random.hpp"

#include <cmath>
#include <numbers>

#include "base/check.hpp"

namespace linnet {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> c, uint64_t key) {
  // Multipliers and Weyl increments from the paper, section 4.
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

uint32_t Random::next_u32() {
  const uint64_t block = position_ / 4;
  const auto words = philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                                 static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)},
                                seed_);
  return words[position_++ % 4];
}

uint64_t Random::next_u64() {
  const uint64_t low = next_u32();
  return low | uint64_t{next_u32()} << 32;
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  // Numbers under 2^64 mod bound would make the first residues likelier: drawn again.
  const uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const uint64_t value = next_u64();
    if (value >= threshold) return value % bound;
  }
}

double Random::uniform() {
  return static_cast<double>(next_u64() >> 11) * 0x1p-53;
}

float Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return static_cast<float>(radius * std::cos(2.0 * std::numbers::pi * uniform()));
}

}  // namespace linnet
