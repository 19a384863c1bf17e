#include "train/stochastic_rounding.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace linnet {
namespace {

constexpr int kLevels = 1 << 16;
constexpr float kLargestBFloat16 = 0x1.FEp127f;

uint32_t bits_of(float x) {
  return std::bit_cast<uint32_t>(x);
}

// What all levels together make of `x`: their mean, exact in a double, and whether each gave one of two neighbours.
struct OverAllLevels {
  explicit OverAllLevels(float x) {
    const float below = std::bit_cast<float>(bits_of(x) & 0xFFFF0000);  // towards zero
    const float above = std::bit_cast<float>((bits_of(x) & 0xFFFF0000) + 0x10000);
    for (int level = 0; level < kLevels; ++level) {
      const float rounded = to_float(round_stochastically(x, static_cast<uint16_t>(level)));
      mean += double{rounded} / kLevels;
      neighbours &= rounded == below || rounded == above;
    }
  }
  double mean = 0;
  bool neighbours = true;
};

TEST(RoundStochastically, TheMeanOverAllLevelsIsTheNumber) {
  for (const float x : {1.0f, 1.0001f, -1.0001f, 0.1f, -3.14159f, 1e-20f, 12345.678f,
                        1.99999f,                 // the neighbour above has the next exponent
                        -0x1.FFFFFEp-3f, 1e-39f,  // subnormal
                        -1e-44f, 0x1.FFFFFCp-127f}) {
    const OverAllLevels all(x);
    EXPECT_EQ(all.mean, double{x}) << x;
    EXPECT_TRUE(all.neighbours) << x;
  }
}

TEST(RoundStochastically, WhatBFloat16HoldsStays) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float x :
       {0.0f, -0.0f, 1.0f, -2.5f, 0x1p-133f, kLargestBFloat16, -kLargestBFloat16, kInfinity, -kInfinity}) {
    for (int level = 0; level < kLevels; ++level) {
      ASSERT_EQ(bits_of(to_float(round_stochastically(x, static_cast<uint16_t>(level)))), bits_of(x)) << x;
    }
  }
}

TEST(RoundStochastically, NothingFiniteBecomesInfiniteAndNaNStaysNaN) {
  constexpr float kMax = std::numeric_limits<float>::max();
  const float only_low_bits = std::bit_cast<float>(0x7F800001);
  for (int level = 0; level < kLevels; ++level) {
    const auto rounded = [&](float x) { return to_float(round_stochastically(x, static_cast<uint16_t>(level))); };
    ASSERT_EQ(rounded(kMax), kLargestBFloat16);
    ASSERT_EQ(rounded(-kMax), -kLargestBFloat16);
    ASSERT_TRUE(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
    ASSERT_TRUE(std::isnan(rounded(only_low_bits)));
    ASSERT_TRUE(std::isnan(rounded(std::bit_cast<float>(0xFFFFFFFF))));
  }
}

std::vector<uint16_t> rounded(const StochasticRounding& rounding, const std::vector<float>& x, int64_t piece) {
  std::vector<BFloat16> out(x.size());
  const auto size = static_cast<int64_t>(x.size());
  for (int64_t begin = 0; begin < size; begin += piece) {
    rounding.round(static_cast<uint64_t>(begin), std::min(piece, size - begin), x.data() + begin, out.data() + begin);
  }
  std::vector<uint16_t> bits;
  bits.reserve(out.size());
  for (const BFloat16 number : out) bits.push_back(number.bits);
  return bits;
}

TEST(StochasticRounding, TheMeanOfManyIsTheNumber) {
  constexpr int64_t kCount = 1 << 20;
  constexpr double kStep = 0x1p-7;  // between neighbours at 1
  for (const double part : {0.02, 0.3, 0.5, 0.9}) {
    const auto x = static_cast<float>(1 + part * kStep);
    double sum = 0;
    for (const uint16_t bits : rounded({.seed = 1, .step = 2, .tensor = 3}, std::vector<float>(kCount, x), kCount)) {
      sum += to_float(BFloat16{bits});
    }
    const double deviation = kStep * std::sqrt(part * (1 - part) / kCount);
    EXPECT_NEAR(sum / kCount, double{x}, 4 * deviation) << part;
  }
}

TEST(StochasticRounding, HangsOnSeedStepTensorAndPlaceAlone) {
  const std::vector<float> x(5000, 1.003f);
  const std::vector<uint16_t> whole = rounded({7, 8, 9}, x, 5000);
  EXPECT_EQ(rounded({7, 8, 9}, x, 8), whole);
  EXPECT_EQ(rounded({7, 8, 9}, x, 1000), whole);
  EXPECT_NE(rounded({8, 8, 9}, x, 5000), whole);
  EXPECT_NE(rounded({7, 9, 9}, x, 5000), whole);
  EXPECT_NE(rounded({7, 8, 8}, x, 5000), whole);
}

}  // namespace
}  // namespace linnet
