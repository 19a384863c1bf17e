// A text that a model writes: its settings, what comes of it, and its way from logits to tokens to whole characters.
// Ownership: a Reply borrows tokenizer and params. Thread safety: one thread at a time.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.hpp"
#include "engine/stop_strings.hpp"
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

  // Whether the model itself ended it.
  bool whole() const { return reason == FinishReason::kEndToken || reason == FinishReason::kStopString; }
};

class Reply {
 public:
  // seed: of what is drawn, in the place of that of params.
  Reply(const Tokenizer& tokenizer, std::span<const int32_t> prompt, const GenerateParams& params, uint64_t seed);

  // Chooses the next token by the logits (V) behind all before it, and ends the text where that says so. Returns what
  // is new of it: whole characters, none of which may still become a stop string. Requires !done().
  std::string take(std::span<const float> logits);
  // Ends it; returns what was held back.
  std::string end(FinishReason reason);

  bool done() const { return done_; }
  // The token that take() chose, which the model is to read next.
  int32_t last() const { return generated_.tokens.back().chosen.id; }
  Generated& generated() { return generated_; }

 private:
  std::string add(std::string text);

  const GenerateParams* params_;
  Sampler sampler_;
  Detokenizer detokenizer_;
  StopStrings stops_;
  Generated generated_;
  bool done_ = false;
};

}  // namespace linnet
