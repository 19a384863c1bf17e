#include "nn/relative_buckets.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace linnet {

namespace {

int64_t bucket_of_distance(int64_t n, int64_t buckets, int64_t distance) {
  const int64_t exact = buckets / 2;
  if (n < exact) return n;
  // In float32, as transformers computes it: at powers of two the rounding decides.
  const float part = std::log(static_cast<float>(n) / static_cast<float>(exact)) /
                     static_cast<float>(std::log(static_cast<double>(distance) / static_cast<double>(exact)));
  const auto beyond = static_cast<int64_t>(part * static_cast<float>(buckets - exact));
  return std::min(exact + beyond, buckets - 1);
}

}  // namespace

std::vector<int32_t> relative_buckets(int64_t buckets, int64_t distance, int64_t reach) {
  std::vector<int32_t> found;
  const int64_t half = buckets / 2;
  for (int64_t offset = 1 - reach; offset < reach; ++offset) {
    const int64_t behind = offset > 0 ? half : 0;
    found.push_back(static_cast<int32_t>(behind + bucket_of_distance(std::abs(offset), half, distance)));
  }
  return found;
}

}  // namespace linnet
