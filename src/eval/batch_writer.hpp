// Many prompts answered at once: what generate() (engine/generate.hpp) gives for each, several times as fast, since a
// weight that is read serves all. Ownership: borrows all. Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.hpp"
#include "eval/shared_beginning.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

struct WriteParams {
  SamplingParams sampling;          // the likeliest tokens, unless told otherwise; each reply has a seed of its own
  int64_t max_tokens = 256;         // of each reply
  std::vector<int32_t> end_tokens;  // end a reply and are not shown
  std::vector<std::string> stop_strings;  // likewise
};

struct Written {
  std::string text;
  bool whole = false;  // ended by an end token or a stop string, not by max_tokens
};

class BatchWriter {
 public:
  // Room for prompts with their replies of up to `max_tokens` tokens; the replies that are written at once share as
  // much.
  BatchWriter(const Transformer& model, Context& ctx, const Tokenizer& tokenizer, int64_t max_tokens, DType kv_dtype);
  // What its cache may come to take.
  static int64_t cache_bytes(const Transformer& model, int64_t max_tokens, DType kv_dtype);

  // Calls on_text(place of the prompt, reply) for each, in the order in which they end; its error ends the call. Where
  // tokens are drawn, the seed of a prompt is params.sampling.seed and its tokens: the same in any company. What the
  // prompts begin with in common is read once, also from call to call. Requires: each prompt has a token, and fits
  // with params.max_tokens. Errors: cancelled, logits that are not finite; params.sampling out of its range.
  Status write(std::span<const std::vector<int32_t>> prompts, const WriteParams& params, const CancelToken& cancel,
               const std::function<Status(size_t, Written)>& on_text);

 private:
  struct Reply;

  Status start(Reply& reply, std::span<const int32_t> prompt, int64_t common, const CancelToken& cancel);
  Status step(std::vector<Reply>& replies);

  const Transformer& model_;
  Context& ctx_;
  const Tokenizer& tokenizer_;
  int64_t max_tokens_;
  KvCache cache_;
  SharedBeginning root_;
};

}  // namespace linnet
