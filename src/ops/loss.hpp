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

// One row of it: returns -log softmax(logits)[target], and leaves in `logits` (V) its gradient times `scale`. A row
// that does not count gives zero and zeros.
double cross_entropy_row(const KernelTable& kernels, float* logits, int64_t vocab, int32_t target, float scale);

}  // namespace linnet::ops
