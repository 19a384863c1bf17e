// One text in the KV cache: what a model has read so far, and the logits after it.
// Ownership: borrows the model and the context. Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/cancel.hpp"
#include "models/transformer.hpp"

namespace linnet {

// Rows of one prefill step: enough to use each weight many times, little enough to hear a Ctrl-C soon.
inline constexpr int64_t kPrefillRows = 512;

// Fails where a logit is infinite or no number: the weights are damaged, or were taught to be so large.
Status require_finite(std::span<const float> logits);
// How many tokens two texts have in common at their beginning.
size_t common_length(std::span<const int32_t> a, std::span<const int32_t> b);
// Which rotary embeddings a text of `length` tokens has where they are stretched (0 or 1; nn/rope_table.hpp): texts of
// different ones share nothing.
int regime_of(const TransformerConfig& config, int64_t length);

class Session {
 public:
  // Room for `max_tokens` positions.
  Session(const Transformer& model, Context& ctx, int64_t max_tokens, DType kv_dtype);

  // Reads what of `tokens` is not read yet: a common beginning with what was read before stays in the cache. Returns
  // the logits (V) after the last token; requires at least one token. `progress` hears how many of how many are read.
  // Errors: too many tokens (both numbers), cancelled, logits that are not finite.
  Result<std::span<const float>> read(std::span<const int32_t> tokens, const CancelToken* cancel = nullptr,
                                      const std::function<void(int64_t, int64_t)>& progress = {});
  // Nothing of what was read is used any more: the weights have changed.
  void forget() { forget_from(0); }
  // Reads one more token.
  Result<std::span<const float>> read_next(int32_t token);

  const std::vector<int32_t>& tokens() const { return tokens_; }
  int64_t max_tokens() const { return max_tokens_; }

 private:
  Status step(std::span<const int32_t> tokens, int64_t total_length, bool want_logits);
  void forget_from(int64_t length);

  const Transformer& model_;
  Context& ctx_;
  int64_t max_tokens_;
  KvCache cache_;
  KvCache::SequenceId id_;
  std::vector<int32_t> tokens_;
  Tensor logits_;
  int regime_ = 0;  // of stretched rotary embeddings: a change makes every cached key stale
};

// Error for a prompt of `tokens` where `limit` fit: names both.
Error too_long(int64_t tokens, int64_t limit);

}  // namespace linnet
