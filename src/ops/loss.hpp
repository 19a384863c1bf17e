// What training makes smaller.
#pragma once

#include <span>

#include "ops/context.hpp"

namespace linnet::ops {

inline constexpr int32_t kIgnoreTarget = -100;  // as in PyTorch: this row does not count

// What each row learns from beside its target: which tokens a teacher finds likeliest, and how likely (distillation;
// Hinton et al. 2015, arXiv:1503.02531). A row's loss is then
//   weight * KL(p || q) + (1 - weight) * -log q[target]
// over K + 1 outcomes: the teacher's K tokens, and all others as one. So no probability is lost with the tokens that
// are left out, and among those the model goes on as it was; taking p as if the K were all would teach it that nothing
// else can come.
struct TeacherTargets {
  int64_t top = 0;                       // K; 0: there is no teacher
  std::span<const int32_t> ids;          // (N, K), in [0, V), different ones in a row
  std::span<const float> probabilities;  // (N, K), >= 0, of a row at most 1 together
  float weight = 0;                      // in [0, 1]

  // Those of rows [begin, begin + count).
  TeacherTargets rows(size_t begin, size_t count) const;
};

// logits: (N, V), targets: N ids in [0, V) or kIgnoreTarget -> (1): the mean over counted rows of -log softmax[target].
// With no counted row the loss is 0. `divisor` > 0 replaces the count (gradient accumulation divides by the whole
// batch's).
Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets, int64_t divisor = 0,
                     const TeacherTargets& teacher = {});

// What a sum over `targets` is divided by: `divisor`, or where that is 0 how many count; 1 where none does. Throws
// where one is neither in [0, vocab) nor kIgnoreTarget; `op` is for the message.
double cross_entropy_divisor(const char* op, std::span<const int32_t> targets, int64_t vocab, int64_t divisor);

// Of each row of `logits` (N, V) its loss, -log softmax[target], and in the logits' place its gradient times
// scales[row]; where `cap` > 0, with respect to what softcap made them of. A row that does not count gives zero and
// zeros. scales, losses: N.
void cross_entropy_in_place(Context& ctx, Tensor& logits, std::span<const int32_t> targets,
                            std::span<const float> scales, float cap, std::span<double> losses,
                            const TeacherTargets& teacher = {});

// logits: (N, V), targets: N ids in [0, V) -> (N): log softmax[target].
Tensor log_probs(Context& ctx, const Tensor& logits, std::span<const int32_t> targets);

}  // namespace linnet::ops
