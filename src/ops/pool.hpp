// One vector for each sequence of a batch. Differentiable.
#pragma once

#include <span>

#include "ops/attention.hpp"

namespace linnet::ops {

enum class Pooling : uint8_t { kMean, kCls, kMax, kLastToken };  // kCls: the first row's

// x: (N, C) -> (S, C), a row for each segment, which has at least one row.
Tensor pool(Context& ctx, const Tensor& x, std::span<const Segment> segments, Pooling pooling);

// x: (N, C), each row over its Euclidean length, which counts as 1e-12 where it is less.
Tensor unit_rows(Context& ctx, const Tensor& x);

}  // namespace linnet::ops
