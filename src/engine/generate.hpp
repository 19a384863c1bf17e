// Text from a prompt, token by token, until something ends it.
// Thread safety: one thread at a time, with its Session.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampler.hpp"
#include "engine/session.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

enum class FinishReason : uint8_t { kEndToken, kStopString, kLength, kContext, kCancelled };
std::string_view finish_reason_name(FinishReason reason);  // "stop", "length", ...

struct GenerateParams {
  SamplingParams sampling;
  int64_t max_tokens = 512;
  std::vector<int32_t> end_tokens;        // end the text and are not shown
  std::vector<std::string> stop_strings;  // likewise
  // Log-probabilities: of each chosen token, and of so many likeliest beside it. Without a number none is computed.
  std::optional<int32_t> top_logprobs;

  // Error kUsage: a setting out of its range, a logit bias for a token that is not there.
  Status check(const Tokenizer& tokenizer) const;
};

struct GeneratedToken {
  TokenChance chosen;  // log_probability 0 where none was asked for
  std::vector<TokenChance> top;
};

struct Generated {
  std::string text;
  std::vector<GeneratedToken> tokens;
  FinishReason reason = FinishReason::kLength;
  int64_t prompt_tokens = 0;
  int64_t reused_tokens = 0;  // of the prompt, that were in the cache
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

// `on_text` receives pieces of whole characters as they come. Cancelling is not an error: what there is is returned
// with kCancelled. Errors: a prompt that does not fit, an empty prompt, and
// those of params.check().
Result<Generated> generate(Session& session, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                           const GenerateParams& params, const std::function<void(std::string_view)>& on_text,
                           const CancelToken* cancel = nullptr);

}  // namespace linnet
