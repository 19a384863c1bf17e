// How likely a model holds given continuations of a context: what multiple choice is decided by.
//
// The definition is lm-evaluation-harness's (Gao et al., EleutherAI): the sum of log p of the continuation's tokens,
// each after all tokens before it, and whether each was the likeliest. What the continuations of an item have in common
// is computed once, and several items go through the model together; neither changes a bit of the numbers. Ownership:
// borrows the model and the context. Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cancel.hpp"
#include "engine/shared_beginning.hpp"

namespace linnet {

// A text whose tokens [begin, size) are asked for; begin is at least 1.
struct Continuation {
  std::vector<int32_t> tokens;
  int64_t begin = 1;
};

struct Likelihood {
  double log_probability = 0;  // natural, of all asked tokens together
  bool greedy = true;          // each was the likeliest (of equals, the first)
};

// The continuations of one context. Nothing is assumed of what they share: it is found.
using ContinuationSet = std::vector<Continuation>;

class LikelihoodScorer {
 public:
  // Texts up to `max_tokens` tokens.
  LikelihoodScorer(const Transformer& model, Context& ctx, int64_t max_tokens, DType kv_dtype);

  // One list of numbers for each set, in order. Sets that stand near each other and begin alike (few-shot examples)
  // share that beginning, also from call to call. Errors: a text longer than max_tokens (both numbers), cancelled,
  // logits that are not finite.
  Result<std::vector<std::vector<Likelihood>>> score(std::span<const ContinuationSet> sets, const CancelToken& cancel);

 private:
  struct Work;

  size_t group_size(std::span<const ContinuationSet> sets) const;
  Status run(Work& work, const CancelToken& cancel);
  Result<int64_t> share_beginning(std::span<const ContinuationSet> sets, int64_t total_length,
                                  const CancelToken& cancel);
  Status score_group(std::span<const ContinuationSet> sets, std::span<std::vector<Likelihood>> out,
                     const CancelToken& cancel);
  Status score_continuations(std::span<const ContinuationSet> sets, std::span<const KvCache::SequenceId> contexts,
                             std::span<std::vector<Likelihood>> out, int64_t total_length, const CancelToken& cancel);

  const Transformer& model_;
  Context& ctx_;
  int64_t max_tokens_;
  KvCache cache_;
  SharedBeginning root_;  // of all sets of a group
};

}  // namespace linnet
