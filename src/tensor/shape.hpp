// The extents of a tensor, row-major. Letters are those of docs/shapes.md.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/result.hpp"

namespace linnet {

class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;  // a scalar: rank 0, one element
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  // Requires rank <= kMaxRank and every extent >= 0.
  explicit Shape(std::span<const int64_t> dims);

  // For extents that a file states: rank, sign, and the number of elements (at most 2^48) are checked.
  static Result<Shape> checked(std::span<const int64_t> dims, const std::string& place);

  int rank() const { return rank_; }
  // i may be negative: -1 is the last.
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(i < 0 ? i + rank_ : i)]; }
  int64_t elements() const;
  int64_t rows() const;  // product of all extents but the last; 1 for rank 0 and 1
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  // The same extents but the last. Requires rank >= 1.
  Shape with_last(int64_t last) const;
  bool operator==(const Shape& other) const = default;
  std::string to_string() const;  // "(2, 37, 48)"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace linnet
