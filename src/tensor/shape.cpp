#include "tensor/shape.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/check.hpp"

namespace linnet {

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  CHECK(dims.size() <= kMaxRank);
  CHECK(std::all_of(dims.begin(), dims.end(), [](int64_t dim) { return dim >= 0; }));
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

Result<Shape> Shape::checked(std::span<const int64_t> dims, const std::string& place) {
  if (dims.size() > kMaxRank) {
    return invalid(fmt::format("has {} dimensions; at most {} are supported", dims.size(), kMaxRank), place);
  }
  constexpr int64_t kMaxElements = int64_t{1} << 48;
  int64_t elements = 1;
  for (const int64_t dim : dims) {
    if (dim < 0) return invalid(fmt::format("has a negative dimension {}", dim), place);
    if (dim > kMaxElements || (dim > 0 && elements > kMaxElements / dim)) {
      return invalid("has more than 2^48 elements", place);
    }
    elements *= dim;
  }
  return Shape(dims);
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t dim : dims()) product *= dim;
  return product;
}

int64_t Shape::rows() const {
  int64_t product = 1;
  for (int i = 0; i + 1 < rank_; ++i) product *= dims_[static_cast<size_t>(i)];
  return product;
}

Shape Shape::with_last(int64_t last) const {
  CHECK(rank_ >= 1);
  Shape other = *this;
  other.dims_[static_cast<size_t>(rank_ - 1)] = last;
  return other;
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string((*this)[i]);
  return text + ")";
}

}  // namespace linnet
