// One of the samples that were held out, for people where the form has no score: what the model writes to the last turn
// of a conversation, or how it goes on with a text. By the likeliest tokens, so that the same model writes the same.
// Ownership: borrows template and tokenizer. Thread safety: const methods.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tasks/job_score.hpp"

namespace linnet {

class ShownSample {
 public:
  // The first by asking.seed that fits the context; nothing where none does. Without a template only texts fit.
  static std::optional<ShownSample> choose(const Dataset& dataset, const JobAsking& asking);

  // Of the cache that it is written with.
  int64_t cache_bytes(const Transformer& model) const;
  // What was asked, what is right, and the reply. Errors: cancelled; logits that are not finite.
  Result<std::string> write(Context& ctx, const Transformer& model, const CancelToken& cancel) const;

 private:
  explicit ShownSample(const JobAsking& asking) : asking_(asking) {}

  Status take_conversation(const Sample& sample);
  Status take_text(const Sample& sample);
  int64_t most_tokens() const { return static_cast<int64_t>(prompt_.size()) + reply_tokens_; }

  JobAsking asking_;
  std::vector<int32_t> prompt_;
  int64_t reply_tokens_ = 0;  // at most
  std::string head_;          // what is said before the reply
};

}  // namespace linnet
