// What tests against recordings of other programs share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "tensor/tensor.hpp"

namespace linnet {

inline std::filesystem::path golden_dir() {
  return std::filesystem::path(LINNET_SOURCE_DIR) / "tests/golden";
}

// The second, independent set of reference models; a stranger's clone has none.
inline std::filesystem::path shared_reference_dir() {
  const char* set = std::getenv("LINNET_SHARED");
  return (set ? std::filesystem::path(set) : std::filesystem::path(LINNET_SOURCE_DIR).parent_path() / "shared") /
         "reference";
}

// How the test of a golden model is called: gtest takes no hyphens.
inline std::string test_name(std::string model) {
  std::ranges::replace(model, '-', '_');
  return model;
}

// The value, or an exception with the error: the test fails with it.
template <class T>
T value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

// Largest absolute difference over the largest magnitude of the expected tensor.
inline double distance(const Tensor& got, const Tensor& want) {
  EXPECT_EQ(got.elements(), want.elements());
  double worst = 0;
  double largest = 1e-30;
  for (int64_t i = 0; i < std::min(got.elements(), want.elements()); ++i) {
    const double difference = std::abs(double{got.data<float>()[i]} - want.data<float>()[i]);
    worst = std::isfinite(difference) ? std::max(worst, difference) : INFINITY;
    largest = std::max(largest, double{std::abs(want.data<float>()[i])});
  }
  return worst / largest;
}

}  // namespace linnet
