#include "base/result.hpp"

#include <gtest/gtest.h>

namespace linnet {
namespace {

Result<int> half(int n) {
  if (n % 2) return invalid("is odd", "n", "give an even number");
  return n / 2;
}

Result<int> quarter(int n) {
  TRY_ASSIGN(const int h, half(n));
  TRY_ASSIGN(const int q, half(h));
  return q;
}

TEST(Result, CarriesValueOrError) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6).ok());
  EXPECT_EQ(quarter(6).error().to_string(), "n: is odd\n  give an even number");
}

TEST(Result, ErrorGainsPlacesFromOutside) {
  EXPECT_EQ(half(1).error().at("config.json").place, "config.json: n");
  EXPECT_EQ(Error{}.at("file").place, "file");
}

}  // namespace
}  // namespace linnet
