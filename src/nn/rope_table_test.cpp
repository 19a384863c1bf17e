#include "nn/rope_table.hpp"

#include <cmath>
#include <gtest/gtest.h>

namespace linnet {
namespace {

TEST(RopeTable, DefaultHalvesThetaOverTheDimensions) {
  const auto f = inverse_frequencies({.theta = 10000, .rotary_dim = 8}, 0);
  EXPECT_EQ(f.size(), 4u);
  EXPECT_FLOAT_EQ(f[0], 1);
  EXPECT_FLOAT_EQ(f[2], 0.01f);
}

TEST(RopeTable, Llama3KeepsShortWavesAndStretchesLongOnes) {
  RopeSpec spec{.kind = RopeKind::kLlama3, .theta = 500000, .rotary_dim = 128, .factor = 8, .original_context = 8192};
  const auto f = inverse_frequencies(spec, 0);
  EXPECT_FLOAT_EQ(f[0], 1);
  EXPECT_FLOAT_EQ(f[63], static_cast<float>(std::pow(500000.0, -126.0 / 128) / 8));
}

TEST(RopeTable, LongRopeChangesItsFactorsBeyondTheOriginalContext) {
  RopeSpec spec{.kind = RopeKind::kLongRope, .rotary_dim = 4, .original_context = 24};
  spec.short_factor = {1, 2};
  spec.long_factor = {4, 8};
  EXPECT_EQ(rope_regime(spec, 24), 0);
  EXPECT_EQ(rope_regime(spec, 25), 1);
  EXPECT_FLOAT_EQ(inverse_frequencies(spec, 1)[0], 0.25f);
  EXPECT_FLOAT_EQ(inverse_frequencies(spec, 0)[1], 0.005f);
}

}  // namespace
}  // namespace linnet
