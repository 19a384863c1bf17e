// What training makes smaller.
#pragma once

#include <span>

#include "ops/context.hpp"

namespace linnet::ops {

inline constexpr int32_t kIgnoreTarget = -100;  // as in PyTorch: this row does not count

// logits: (N, V), targets: N ids in [0, V) or kIgnoreTarget -> (1): the mean over counted rows of -log softmax[target].
// With no counted row the loss is 0. `divisor` > 0 replaces the count (gradient accumulation divides by the whole
// batch's).
Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets, int64_t divisor = 0);

}  // namespace linnet::ops
