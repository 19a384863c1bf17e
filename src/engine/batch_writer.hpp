// Many prompts answered at once: what generate() gives for each, several times as fast, since a weight that is read
// serves all. Ownership: borrows all. Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/reply.hpp"
#include "engine/shared_beginning.hpp"

namespace linnet {

struct WriterPrompt {
  std::vector<int32_t> tokens;  // at least one
  uint64_t seed = 0;            // of what is drawn
};

class BatchWriter {
 public:
  // Room for prompts with their replies of up to `max_tokens` tokens; the replies that are written at once share as
  // much.
  BatchWriter(const Transformer& model, Context& ctx, const Tokenizer& tokenizer, int64_t max_tokens, DType kv_dtype);
  // What its cache may come to take.
  static int64_t cache_bytes(const Transformer& model, int64_t max_tokens, DType kv_dtype);

  // Calls on_reply(place of the prompt, reply) for each, in the order in which they end; its error ends the call. What
  // the prompts begin with in common is read once, also from call to call. Requires: each prompt fits, and with
  // params.max_tokens all have the same regime_of() (engine/session.hpp). Errors: cancelled, logits that are not
  // finite; params.sampling out of its range.
  Status write(std::span<const WriterPrompt> prompts, const GenerateParams& params, const CancelToken& cancel,
               const std::function<Status(size_t, Generated)>& on_reply);

 private:
  struct Writing;

  Status start(Writing& writing, std::span<const int32_t> prompt, int64_t common, const CancelToken& cancel);
  Status step(std::vector<Writing>& all);
  Status take(Writing& writing, std::span<const float> logits);

  const Transformer& model_;
  Context& ctx_;
  const Tokenizer& tokenizer_;
  int64_t max_tokens_;
  KvCache cache_;
  SharedBeginning root_;
};

}  // namespace linnet
