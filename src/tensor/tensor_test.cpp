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

// Rows of many lengths take as much as the longest of them.
TEST(BufferPool, WhatWasFreedServesOtherSizes) {
  const auto pool = BufferPool::create();
  constexpr int64_t kFloats = 1 << 18;  // 1 MiB
  { const Tensor most = pool->empty(DType::kF32, {4 * kFloats}); }
  EXPECT_EQ(pool->bytes_peak(), uint64_t{16 * kFloats});
  for (const int64_t size : {kFloats, 3 * kFloats + 17, kFloats / 2}) {
    const Tensor one = pool->empty(DType::kF32, {size});
    const Tensor two = pool->empty(DType::kF32, {kFloats / 2});
    EXPECT_GE(pool->bytes_in_use(), static_cast<uint64_t>(4 * (size + kFloats / 2)));
  }
  EXPECT_EQ(pool->bytes_peak(), uint64_t{16 * kFloats});
  EXPECT_EQ(pool->bytes_in_use(), 0u);
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
}

}  // namespace
}  // namespace linnet
