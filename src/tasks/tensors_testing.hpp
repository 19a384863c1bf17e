// What the tests of teaching by tensors share.
#pragma once

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

#include "base/random.hpp"
#include "nn/weight.hpp"
#include "quant/format.hpp"
#include "tensor/tensor.hpp"

namespace linnet {

// Of normal numbers, times `size`.
inline Tensor random_tensor(const Shape& shape, uint64_t seed, float size) {
  Random random(seed);
  Tensor tensor = Tensor::empty(DType::kF32, shape);
  for (float& x : tensor.span<float>()) x = size * random.normal();
  return tensor;
}

// (O, C) in blocks as a file holds them.
inline Weight stored_weight(const Tensor& floats, QuantType type) {
  const QuantFormat& format = quant_format(type);
  MatrixView view{&format, nullptr, floats.dim(0), floats.dim(1)};
  const auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(view.rows * view.row_bytes()));
  format.encode(floats.data<float>(), nullptr, bytes->data(), floats.elements());
  view.bytes = bytes->data();
  return Weight::from_blocks(view, bytes);
}

// tolerance: of the largest number of each that is wanted.
inline void expect_near(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_TRUE(got[i].defined()) << i;
    ASSERT_EQ(got[i].shape(), want[i].shape()) << i;
    double largest = 0;
    for (const float x : want[i].span<float>()) largest = std::max<double>(largest, std::abs(x));
    for (int64_t j = 0; j < want[i].elements(); ++j) {
      ASSERT_NEAR(got[i].data<float>()[j], want[i].data<float>()[j], tolerance * largest) << i << ", " << j;
    }
  }
}

}  // namespace linnet
