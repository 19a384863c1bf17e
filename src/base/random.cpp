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
static_assert(std::endian::native == std::endian::little);

uint32_t high_half(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(uint64_t{a} * b >> 32);
}

// A word of kLanes counters; the high halves are zero. A multiplication gives both halves of a product so.
constexpr int64_t kLanes = 8;
using Word = uint64_t __attribute__((vector_size(kLanes * sizeof(uint64_t))));
constexpr uint64_t kLow = 0xFFFFFFFF;

using Run = void(const uint32_t (&first)[4], uint64_t key, int64_t count, uint32_t* out);

[[gnu::always_inline]] inline void run_lanes(const uint32_t (&first)[4], uint64_t key, int64_t count, uint32_t* out) {
  const uint64_t begin = first[0] | uint64_t{first[1]} << 32;
  for (int64_t done = 0; done < count; done += kLanes) {
    const Word counter = Word{0, 1, 2, 3, 4, 5, 6, 7} + (begin + static_cast<uint64_t>(done));
    Word words[4] = {counter & kLow, counter >> 32, Word{} + first[2], Word{} + first[3]};
    auto k0 = static_cast<uint32_t>(key);
    auto k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < kRounds; ++round, k0 += kWeyl0, k1 += kWeyl1) {
      const Word product0 = words[0] * uint64_t{kMultiplier0};
      const Word product1 = words[2] * uint64_t{kMultiplier1};
      words[0] = product1 >> 32 ^ words[1] ^ uint64_t { k0 };
      words[1] = product1 & kLow;
      words[2] = product0 >> 32 ^ words[3] ^ uint64_t { k1 };
      words[3] = product0 & kLow;
    }
    // Little-endian: the two words of each half lie in order.
    const Word front = words[0] | words[1] << 32;
    const Word back = words[2] | words[3] << 32;
    const Word ordered[2] = {__builtin_shufflevector(front, back, 0, 8, 1, 9, 2, 10, 3, 11),
                             __builtin_shufflevector(front, back, 4, 12, 5, 13, 6, 14, 7, 15)};
    const int64_t inside = count - done < kLanes ? count - done : kLanes;
    std::memcpy(out + done * 4, ordered, static_cast<size_t>(inside) * 4 * sizeof(uint32_t));
  }
}

// Training with dropout spends a tenth of its time here where vectors are short.
void run_plain(const uint32_t (&first)[4], uint64_t key, int64_t count, uint32_t* out) {
  run_lanes(first, key, count, out);
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] void run_avx2(const uint32_t (&first)[4], uint64_t key, int64_t count, uint32_t* out) {
  run_lanes(first, key, count, out);
}
[[gnu::target("avx512f,avx512dq")]] void run_avx512(const uint32_t (&first)[4], uint64_t key, int64_t count,
                                                    uint32_t* out) {
  run_lanes(first, key, count, out);
}
#endif

// All give the same numbers.
Run* fastest_run() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512dq")) return run_avx512;
  if (__builtin_cpu_supports("avx2")) return run_avx2;
#endif
  return run_plain;
}

}  // namespace

void philox4x32_run(std::array<uint32_t, 4> first, uint64_t key, int64_t count, uint32_t* out) {
  static Run* const run = fastest_run();
  run({first[0], first[1], first[2], first[3]}, key, count, out);
}

void random_levels(uint64_t seed, uint32_t draw, uint32_t place, uint64_t begin, int64_t n, uint16_t* out) {
  CHECK(begin % kLevelGroup == 0);
  constexpr int64_t kGroups = 32;
  constexpr int64_t kNumbers = kGroups * kLevelGroup;
  uint32_t words[kGroups * 4];
  // Of each word the low half comes first.
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

uint64_t seed_of_part(uint64_t seed, uint64_t number) {
  return Random(seed, number).below(UINT64_MAX);
}

}  // namespace linnet
