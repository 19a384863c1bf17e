// What kernels of the norms' way back are given. Plain memory, for the objects of single instruction sets.
#pragma once

#include <cstdint>

namespace linnet {

// Of y = n * (weight + offset) (+ bias), n = (x - mean) / sqrt(mean of (x - mean)² + eps), where `centred`; else mean
// is 0: RMSNorm. All numbers are (rows, dim) or (dim).
struct NormVjpCall {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* dy = nullptr;
  float offset = 0;
  float eps = 0;
  bool centred = false;
  int64_t rows = 0;
  int64_t dim = 0;
  float* dx = nullptr;       // null where nobody asks, as the following
  float* dweight = nullptr;  // added to
  float* dbias = nullptr;    // added to
};

}  // namespace linnet
