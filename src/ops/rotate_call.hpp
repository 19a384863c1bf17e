// What a kernel of rotary position embeddings is called with (ops/rope.hpp).
#pragma once

#include <cstdint>

namespace linnet {

// One row of (heads, dim) numbers, of which i and i + half of each head turn by one angle, for i < half; the rest stays
// as it is. direction: 1, or -1 to turn back.
struct RotateCall {
  int64_t heads;
  int64_t dim;
  int64_t half;
  float direction;
};

}  // namespace linnet
