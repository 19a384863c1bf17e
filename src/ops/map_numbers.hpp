// Ops that make each number from those at its place.
#pragma once

#include "ops/context.hpp"

namespace linnet::ops {

// The work of a number, beside an addition.
inline constexpr int64_t kCheap = 1;
inline constexpr int64_t kTranscendental = 16;

// out[i] = f(i) over all numbers, on the pool.
template <class F>
Tensor map_numbers(Context& ctx, const Shape& shape, int64_t work, const F& f) {
  Tensor out = ctx.empty(shape);
  if (ctx.meta()) return out;
  float* o = out.data<float>();
  ctx.for_rows(out.elements(), work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) o[i] = f(i);
  });
  return out;
}

}  // namespace linnet::ops
