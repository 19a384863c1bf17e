#include "base/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/check.hpp"

namespace linnet {

namespace {

// Multipliers and Weyl increments from the paper, section 4.
constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

uint32_t high_half(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(uint64_t{a} * b >> 32);
}

// kLanes counters side by side, word by word: the compiler makes vectors of each loop.
constexpr int64_t kLanes = 16;
struct Lanes {
  uint32_t words[4][kLanes];

  void round(uint32_t k0, uint32_t k1) {
    uint32_t next[4][kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      next[0][i] = high_half(kMultiplier1, words[2][i]) ^ words[1][i] ^ k0;
      next[1][i] = kMultiplier1 * words[2][i];
      next[2][i] = high_half(kMultiplier0, words[0][i]) ^ words[3][i] ^ k1;
      next[3][i] = kMultiplier0 * words[0][i];
    }
    for (int w = 0; w < 4; ++w) {
      for (int64_t i = 0; i < kLanes; ++i) words[w][i] = next[w][i];
    }
  }
};

}  // namespace

void philox4x32_run(std::array<uint32_t, 4> first, uint64_t key, int64_t count, uint32_t* out) {
  uint64_t counter = first[0] | uint64_t{first[1]} << 32;
  for (int64_t done = 0; done < count; done += kLanes) {
    Lanes lanes;
    for (int64_t i = 0; i < kLanes; ++i, ++counter) {
      lanes.words[0][i] = static_cast<uint32_t>(counter);
      lanes.words[1][i] = static_cast<uint32_t>(counter >> 32);
      lanes.words[2][i] = first[2];
      lanes.words[3][i] = first[3];
    }
    auto k0 = static_cast<uint32_t>(key);
    auto k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1) lanes.round(k0, k1);
    for (int64_t i = 0; i < std::min(kLanes, count - done); ++i, out += 4) {
      for (int w = 0; w < 4; ++w) out[w] = lanes.words[w][i];
    }
  }
}

void random_levels(uint64_t seed, uint32_t draw, uint32_t place, uint64_t begin, int64_t n, uint16_t* out) {
  CHECK(begin % kLevelGroup == 0);
  constexpr int64_t kGroups = 32;
  constexpr int64_t kNumbers = kGroups * kLevelGroup;
  uint32_t words[kGroups * 4];
  static_assert(std::endian::native == std::endian::little);  // of each word the low half comes first
  for (int64_t i = 0; i < n; i += kNumbers) {
    const uint64_t group = (begin + static_cast<uint64_t>(i)) / kLevelGroup;
    const int64_t count = std::min(kNumbers, n - i);
    philox4x32_run({static_cast<uint32_t>(group), static_cast<uint32_t>(group >> 32), draw, place}, seed,
                   (count + kLevelGroup - 1) / kLevelGroup, words);
    std::memcpy(out + i, words, static_cast<size_t>(count) * sizeof(uint16_t));
  }
}

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> c, uint64_t key) {
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1) {
    c = {high_half(kMultiplier1, c[2]) ^ c[1] ^ k0, kMultiplier1 * c[2], high_half(kMultiplier0, c[0]) ^ c[3] ^ k1,
         kMultiplier0 * c[0]};
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
