// Random numbers that depend on nothing but (seed, stream, index): Philox4x32-10,
// J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
// So a sampler or a dropout mask gives the same numbers on any number of threads and after any resume.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace linnet {

// Four 32-bit numbers for one 128-bit counter under one 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, uint64_t key);

// The same for `count` counters, of which each is one above the one before in its first 64 bits: out (count, 4).
void philox4x32_run(std::array<uint32_t, 4> first, uint64_t key, int64_t count, uint32_t* out);

// Sixteen random bits for each of the numbers [begin, begin + n) of a tensor: a function of seed, draw, place and the
// number alone. draw counts steps, or parts of steps; place differs for all uses in one draw. begin: a multiple of
// kLevelGroup.
void random_levels(uint64_t seed, uint32_t draw, uint32_t place, uint64_t begin, int64_t n, uint16_t* out);
inline constexpr int64_t kLevelGroup = 8;  // numbers that one counter serves

// A stream of numbers: Random(seed, stream) is a value that can be saved as (seed, stream, position()).
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0, uint64_t position = 0)
      : seed_(seed), stream_(stream), position_(position) {}

  uint32_t next_u32();
  uint64_t below(uint64_t bound);  // uniform in [0, bound), without bias; requires bound > 0
  double uniform();                // in [0, 1), 53 bits
  float normal();                  // mean 0, variance 1 (Box–Muller, one of the pair)
  uint64_t position() const { return position_; }

 private:
  uint64_t next_u64();

  uint64_t seed_;
  uint64_t stream_;
  uint64_t position_;  // 32-bit numbers taken so far
};

// A seed of its own for the part `number` of what `seed` decides.
uint64_t seed_of_part(uint64_t seed, uint64_t number);

// Every order is equally likely (Fisher and Yates).
template <class T>
void shuffle(std::vector<T>& values, Random& random) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
}

}  // namespace linnet
