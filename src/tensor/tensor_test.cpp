#include "tensor/tensor.hpp"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include "tensor/buffer_pool.hpp"

namespace linnet {
namespace {

TEST(DType, EveryHalfRoundTrips) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = to_float(Half{static_cast<uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_half(value))));
    } else {
      ASSERT_EQ(to_half(value).bits, bits);
    }
  }
}

TEST(DType, RoundsToNearestEven) {
  EXPECT_EQ(to_half(1.0f + 0x1p-11f).bits, 0x3C00);
  EXPECT_EQ(to_half(1.0f + 3 * 0x1p-11f).bits, 0x3C02);
  EXPECT_EQ(to_half(65519.9f).bits, 0x7BFF);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7C00);
  EXPECT_EQ(to_half(0x1p-25f).bits, 0);
  EXPECT_EQ(to_half(0x1.8p-25f).bits, 1);
  EXPECT_EQ(to_bfloat16(1.0f + 0x1p-8f).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(1.0f + 3 * 0x1p-8f).bits, 0x3F82);
  EXPECT_EQ(to_bfloat16(INFINITY).bits, 0x7F80);
}

TEST(DType, EightBitFloats) {
  EXPECT_EQ(f8_e4m3_to_float(0x7E), 448.0f);
  EXPECT_EQ(f8_e4m3_to_float(0x01), 0x1p-9f);
  EXPECT_TRUE(std::isnan(f8_e4m3_to_float(0xFF)));
  EXPECT_EQ(f8_e5m2_to_float(0x7B), 57344.0f);
}

TEST(Shape, ChecksWhatAFileStates) {
  const int64_t huge[] = {int64_t{1} << 40, int64_t{1} << 40};
  const int64_t negative[] = {2, -1};
  const int64_t deep[] = {1, 1, 1, 1, 1, 1};
  EXPECT_FALSE(Shape::checked(huge, "t").ok());
  EXPECT_FALSE(Shape::checked(negative, "t").ok());
  EXPECT_FALSE(Shape::checked(deep, "t").ok());
  EXPECT_EQ((Shape{2, 3}).to_string(), "(2, 3)");
}

TEST(Tensor, ViewsShareBytes) {
  Tensor a = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2});
  Tensor row = a.rows(1, 1);
  row.data<float>()[0] = 9;
  EXPECT_EQ(a.data<float>()[2], 9);
  EXPECT_EQ(a.reshape({2, 3}).dim(-1), 3);
  EXPECT_EQ(Tensor::empty(DType::kF32, {4}, Device::kMeta).device(), Device::kMeta);
}

TEST(BufferPool, ReusesAndOutlivesItsHandle) {
  auto pool = BufferPool::create();
  const std::byte* first = nullptr;
  {
    const Tensor a = pool->empty(DType::kF32, {1000});
    first = a.raw();
    EXPECT_GE(pool->bytes_in_use(), 4000u);
  }
  EXPECT_EQ(pool->bytes_in_use(), 0u);
  Tensor again = pool->empty(DType::kF32, {1000});
  EXPECT_EQ(again.raw(), first);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % Tensor::kAlignment, 0u);
  pool.reset();
  again.data<float>()[999] = 1;
}

TEST(Tensor, ConvertsFromUnalignedBytes) {
  std::byte bytes[5] = {};
  const Half one = to_half(1.0f);
  std::memcpy(bytes + 1, &one, 2);
  const Tensor t = Tensor::view(bytes + 1, DType::kF16, {1}, nullptr);
  EXPECT_EQ(to_f32(t).data<float>()[0], 1.0f);
}

// Rows of many lengths take about as much as the longest of them.
TEST(BufferPool, LargeBuffersServeOtherSizesOrAreGivenUp) {
  const auto pool = BufferPool::create();
  constexpr int64_t kFloats = 1 << 18;  // 1 MiB
  { const Tensor first = pool->empty(DType::kF32, {kFloats}); }
  const std::byte* bytes = nullptr;
  {
    const Tensor less = pool->empty(DType::kF32, {kFloats * 3 / 4});
    bytes = less.raw();
    EXPECT_EQ(pool->bytes_peak(), uint64_t{4 * kFloats});
  }
  { EXPECT_EQ(pool->empty(DType::kF32, {kFloats}).raw(), bytes); }
  { const Tensor far_less = pool->empty(DType::kF32, {kFloats / 4}); }
  { const Tensor more = pool->empty(DType::kF32, {2 * kFloats}); }
  EXPECT_EQ(pool->bytes_peak(), uint64_t{8 * kFloats});
  EXPECT_EQ(pool->bytes_in_use(), 0u);
}

// Layers that ask for the same sizes again and again get the same pages, where something larger has been there before.
TEST(BufferPool, WhatFitsBelowThePeakIsKept) {
  const auto pool = BufferPool::create();
  constexpr int64_t kFloats = 1 << 18;  // 1 MiB
  { const Tensor most = pool->empty(DType::kF32, {4 * kFloats}); }
  const uint64_t peak = pool->bytes_peak();
  const std::vector<int64_t> sizes{kFloats, 2 * kFloats, kFloats / 2};
  for (const int64_t size : sizes) pool->empty(DType::kF32, {size}).data<float>()[0] = static_cast<float>(size);
  for (const int64_t size : sizes) {
    EXPECT_EQ(pool->empty(DType::kF32, {size}).data<float>()[0], static_cast<float>(size)) << "new pages hold zeros";
  }
  { const Tensor most = pool->empty(DType::kF32, {4 * kFloats}); }
  EXPECT_EQ(pool->bytes_peak(), peak) << "for what does not fit, others are given up";
}

TEST(BufferPool, CountsWhatTheMetaDeviceWouldTake) {
  const auto pool = BufferPool::create();
  {
    const Tensor huge = pool->empty(DType::kF32, {int64_t{1} << 40}, Device::kMeta);
    EXPECT_EQ(huge.device(), Device::kMeta);
    EXPECT_EQ(pool->bytes_in_use(), uint64_t{4} << 40);
  }
  { const Tensor less = pool->empty(DType::kF32, {(int64_t{1} << 40) - 1000}, Device::kMeta); }
  EXPECT_EQ(pool->bytes_peak(), uint64_t{4} << 40);
  EXPECT_EQ(pool->touched_peak(), uint64_t{4} << 40);
}

}  // namespace
}  // namespace linnet
