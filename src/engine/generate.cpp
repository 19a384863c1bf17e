#include "engine/generate.hpp"

#include <algorithm>

#include "base/stopwatch.hpp"

namespace linnet {

Error empty_prompt() {
  return usage_error("the prompt is empty", "give some text to continue");
}

Result<Generated> generate(Session& session, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                           const GenerateParams& params, const std::function<void(std::string_view)>& on_text,
                           const CancelToken* cancel) {
  if (prompt.empty()) return empty_prompt();
  TRY(params.check(tokenizer));
  Reply reply(tokenizer, prompt, params, params.sampling.seed);
  Generated& generated = reply.generated();
  generated.reused_tokens =
      std::min(static_cast<int64_t>(common_length(prompt, session.tokens())), generated.prompt_tokens - 1);
  Stopwatch watch;
  auto first = session.read(prompt, cancel);
  if (!first.ok() && first.error().code == ErrorCode::kCancelled) {
    generated.reason = FinishReason::kCancelled;
    return std::move(generated);
  }
  TRY_ASSIGN(std::span<const float> logits, std::move(first));
  generated.prefill_seconds = watch.seconds();
  watch.restart();

  const auto show = [&](const std::string& text) {
    if (!text.empty() && on_text) on_text(text);
  };
  while (!reply.done()) {
    show(reply.take(logits));
    if (reply.done()) break;
    if (cancel && cancel->cancelled()) {
      show(reply.end(FinishReason::kCancelled));
    } else if (std::ssize(session.tokens()) >= session.max_tokens()) {
      show(reply.end(FinishReason::kContext));
    } else {
      TRY_ASSIGN(logits, session.read_next(reply.last()));
    }
  }
  generated.decode_seconds = watch.seconds();
  return std::move(generated);
}

}  // namespace linnet
