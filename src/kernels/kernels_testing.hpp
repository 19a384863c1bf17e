// What the kernel tests share: the instruction sets of this machine, and random matrices in every format.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "kernels/registry.hpp"

namespace linnet {

// Skips the test where this machine cannot run it.
#define SKIP_UNLESS_MACHINE_HAS(isa) \
  if (!machine_has(isa)) GTEST_SKIP() << "instruction set " << isa_name(isa) << " is not on this machine"

// Set in an emulator, where arithmetic takes many times as long: tests leave out what their other cases show as well.
inline bool briefly() {
  return std::getenv("LINNET_TEST_BRIEFLY") != nullptr;
}

// Those that have kernels, slowest first.
inline std::vector<Isa> kernel_isas() {
  const std::span<const Isa> all = all_isas();
  return {all.begin() + 1, all.end()};
}
// AMX multiplies quantised matrices in bfloat16: what it computes is close to the others, and not the same.
inline bool multiplies_integers(Isa isa) {
  return isa != Isa::kAmx;
}
// Whose bits the others have, but for those of AMX.
inline Isa lowest_kernel_isa() {
  return kernel_isas().front();
}

inline std::vector<float> random_floats(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = random.normal();
  return numbers;
}

// Equal bit for bit, so that NaN equals itself and -0 is not 0.
inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); });
}

struct TestMatrix {
  const QuantFormat* format;
  int64_t rows;
  int64_t cols;
  std::vector<std::byte> bytes;

  MatrixView view() const { return {format, bytes.data(), rows, cols}; }
  std::vector<float> decoded() const {
    std::vector<float> all(static_cast<size_t>(rows * cols));
    format->decode(bytes.data(), all.data(), rows * cols);
    return all;
  }
};

// Where the blocks of a format keep their half-precision numbers: random bits there would be NaN or infinite.
inline std::vector<size_t> half_offsets(QuantType type) {
  switch (type) {
    case QuantType::kQ4_0:
    case QuantType::kQ5_0:
    case QuantType::kQ8_0:
    case QuantType::kIQ4_NL:
    case QuantType::kIQ4_XS:
      return {0};
    case QuantType::kQ4_1:
    case QuantType::kQ5_1:
    case QuantType::kQ4_K:
    case QuantType::kQ5_K:
      return {0, 2};
    case QuantType::kQ2_K:
      return {80, 82};
    case QuantType::kQ3_K:
      return {108};
    case QuantType::kQ6_K:
      return {208};
    default:
      return {};
  }
}

// Every bit of the codes random, scales of either sign.
inline TestMatrix random_matrix(QuantType type, int64_t rows, int64_t cols, uint64_t seed) {
  const QuantFormat& format = quant_format(type);
  TestMatrix matrix{&format, rows, cols, {}};
  const int64_t blocks = rows * cols / format.block_elements;
  matrix.bytes.resize(static_cast<size_t>(blocks * format.block_bytes));
  Random random(seed);
  for (std::byte& b : matrix.bytes) b = static_cast<std::byte>(random.next_u32());
  for (int64_t i = 0; i < blocks; ++i) {
    std::byte* block = matrix.bytes.data() + i * format.block_bytes;
    const float number = random.normal() * 0.01f;
    const Half half = to_half(number);
    const BFloat16 brief = to_bfloat16(number);
    if (type == QuantType::kF32) std::memcpy(block, &number, sizeof(number));
    if (type == QuantType::kF16) std::memcpy(block, &half, sizeof(half));
    if (type == QuantType::kBF16) std::memcpy(block, &brief, sizeof(brief));
    if (type == QuantType::kMXFP4) block[0] = static_cast<std::byte>(110 + random.next_u32() % 16);
    for (const size_t at : half_offsets(type)) {
      const Half scale = to_half(random.normal() * 0.01f);
      std::memcpy(block + at, &scale, sizeof(scale));
    }
  }
  return matrix;
}

}  // namespace linnet
