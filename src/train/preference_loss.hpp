// Learning which replies people prefer: losses of whole replies, from the log probabilities of their tokens.
//
// DPO: R. Rafailov et al., arXiv:2305.18290, eq. 7 (the sigmoid loss). ORPO: J. Hong et al., arXiv:2403.07691, eq. 6 to
// 8. KTO: K. Ethayarajh et al., arXiv:2402.01306, eq. 8, with weights of 1. As TRL computes them, but that ORPO's first
// part counts the reply's tokens alone, as everything that is taught here does.
// Thread safety: pure functions.
#pragma once

#include <span>
#include <vector>

#include "ops/context.hpp"

namespace linnet {

// Replies side by side: log_probs[begin[s]] to log_probs[begin[s + 1]] are the tokens of reply s, none of them empty.
struct ReplyLogProbs {
  Tensor log_probs;            // (N)
  std::vector<int64_t> begin;  // S + 1 numbers, from 0 to N

  size_t replies() const { return begin.size() - 1; }
};

// Of each reply the log probability: S numbers.
std::vector<double> reply_sums(const ReplyLogProbs& replies);

// All of these: (1), a sum over replies or pairs divided by `divisor`, how many the whole step has (a step may be
// computed in parts). beta > 0.

// Replies in pairs: the chosen one, then the rejected one. reference: S log probabilities by the model before.
Tensor dpo_loss(Context& ctx, const ReplyLogProbs& replies, std::span<const double> reference, double beta,
                int64_t divisor);

// Pairs as above. beta: the weight of the odds ratio beside the chosen reply's own loss.
Tensor orpo_loss(Context& ctx, const ReplyLogProbs& replies, double beta, int64_t divisor);

// desired: for each reply whether it is a good one. drift: how far the model has gone from the reference on replies
// that do not belong to their prompts, in nats, >= 0; a constant to the gradient.
Tensor kto_loss(Context& ctx, const ReplyLogProbs& replies, std::span<const double> reference,
                const std::vector<bool>& desired, double drift, double beta, int64_t divisor);

}  // namespace linnet
