#include "engine/reply.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/check.hpp"

namespace linnet {

namespace {

SamplingParams with_seed(SamplingParams params, uint64_t seed) {
  params.seed = seed;
  return params;
}

GeneratedToken describe(int32_t id, std::span<const float> logits, std::optional<int32_t> top) {
  if (!top) return {{id, 0}, {}};
  return {{id, log_probability(logits, id)}, *top > 0 ? top_tokens(logits, *top) : std::vector<TokenChance>()};
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndToken:
    case FinishReason::kStopString:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "";
}

Status GenerateParams::check(const Tokenizer& tokenizer) const {
  TRY(sampling.check());
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (id >= 0 && id < tokenizer.vocab_size()) continue;
    return usage_error(
        fmt::format("logit-bias names token {}, and the model has {} tokens", id, tokenizer.vocab_size()),
        "linnet tokens shows the ids of a text");
  }
  return ok_status();
}

Reply::Reply(const Tokenizer& tokenizer, std::span<const int32_t> prompt, const GenerateParams& params, uint64_t seed)
    : params_(&params),
      sampler_(with_seed(params.sampling, seed)),
      detokenizer_(tokenizer),
      stops_(params.stop_strings),
      done_(params.max_tokens <= 0) {
  sampler_.add_prompt(prompt);
  generated_.prompt_tokens = static_cast<int64_t>(prompt.size());
}

std::string Reply::add(std::string text) {
  generated_.text += text;
  return text;
}

std::string Reply::take(std::span<const float> logits) {
  CHECK(!done_);
  const int32_t chosen = sampler_.sample(logits);
  if (std::ranges::find(params_->end_tokens, chosen) != params_->end_tokens.end()) return end(FinishReason::kEndToken);
  generated_.tokens.push_back(describe(chosen, logits, params_->top_logprobs));
  std::string text = add(stops_.push(detokenizer_.push(chosen)));
  if (stops_.stopped()) return text + end(FinishReason::kStopString);
  if (std::ssize(generated_.tokens) >= params_->max_tokens) text += end(FinishReason::kLength);
  return text;
}

std::string Reply::end(FinishReason reason) {
  done_ = true;
  generated_.reason = reason;
  if (stops_.stopped()) return {};
  std::string rest = stops_.push(detokenizer_.finish());
  rest += stops_.finish();
  return add(std::move(rest));
}

}  // namespace linnet
