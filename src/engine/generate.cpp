#include "engine/generate.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>

#include "engine/stop_strings.hpp"

namespace linnet {

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

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

GeneratedToken describe(int32_t id, std::span<const float> logits, std::optional<int32_t> top) {
  if (!top) return {{id, 0}, {}};
  return {{id, log_probability(logits, id)}, *top > 0 ? top_tokens(logits, *top) : std::vector<TokenChance>()};
}

}  // namespace

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

Result<Generated> generate(Session& session, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                           const GenerateParams& params, const std::function<void(std::string_view)>& on_text,
                           const CancelToken* cancel) {
  if (prompt.empty()) return usage_error("the prompt is empty", "give some text to continue");
  TRY(params.check(tokenizer));
  Generated result;
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  result.reused_tokens =
      std::min(static_cast<int64_t>(common_length(prompt, session.tokens())), result.prompt_tokens - 1);
  auto start = Clock::now();
  auto first = session.read(prompt, cancel);
  if (!first.ok() && first.error().code == ErrorCode::kCancelled) {
    result.reason = FinishReason::kCancelled;
    return result;
  }
  TRY_ASSIGN(std::span<const float> logits, std::move(first));
  result.prefill_seconds = seconds_since(start);
  start = Clock::now();

  Sampler sampler(params.sampling);
  sampler.add_prompt(prompt);
  Detokenizer detokenizer(tokenizer);
  StopStrings stops(params.stop_strings);
  const auto show = [&](const std::string& text) {
    result.text += text;
    if (!text.empty() && on_text) on_text(text);
  };
  for (;;) {
    if (static_cast<int64_t>(result.tokens.size()) >= params.max_tokens) break;  // kLength
    const int32_t chosen = sampler.sample(logits);
    if (std::find(params.end_tokens.begin(), params.end_tokens.end(), chosen) != params.end_tokens.end()) {
      result.reason = FinishReason::kEndToken;
      break;
    }
    result.tokens.push_back(describe(chosen, logits, params.top_logprobs));
    show(stops.push(detokenizer.push(chosen)));
    if (stops.stopped()) {
      result.reason = FinishReason::kStopString;
      break;
    }
    if (cancel && cancel->cancelled()) {
      result.reason = FinishReason::kCancelled;
      break;
    }
    if (static_cast<int64_t>(session.tokens().size()) >= session.max_tokens()) {
      result.reason = FinishReason::kContext;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) < params.max_tokens) {
      TRY_ASSIGN(logits, session.read_next(chosen));
    }
  }
  if (!stops.stopped()) {
    show(stops.push(detokenizer.finish()));
    show(stops.finish());
  }
  result.decode_seconds = seconds_since(start);
  return result;
}

}  // namespace linnet
