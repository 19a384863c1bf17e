// The head and its loss in one: logits exist for a few rows at a time, never for all.
#pragma once

#include <span>

#include "nn/linear.hpp"
#include "ops/loss.hpp"

namespace linnet {

// Rows whose logits take about 64 MB.
int64_t head_rows_at_once(int64_t vocab);

// The cross_entropy of softcap(head(x)) (ops/loss.hpp), its gradients computed beside it. x: (N, C), targets: N ids ->
// (1). softcap: 0 for none. Differentiable in x, and in the head's weight when it asks for it.
// Requires a head without adapters, whose bias, if any, asks for no gradient.
Tensor head_loss(Context& ctx, const Linear& head, const Tensor& x, float softcap, std::span<const int32_t> targets,
                 int64_t divisor, const ops::TeacherTargets& teacher = {});

// The log_probs of softcap(head(x)): x (N, C), targets: N ids -> (N). On the way back the logits are computed anew,
// since only then is known what each row weighs. Differentiable and requiring as head_loss.
Tensor head_log_probs(Context& ctx, const Linear& head, const Tensor& x, float softcap,
                      std::span<const int32_t> targets);

}  // namespace linnet
