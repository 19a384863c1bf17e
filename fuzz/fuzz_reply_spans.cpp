// Any bytes as a chat template: where the assistant speaks is found, or refused; never outside of the text, never out
// of order, always with an end of turn.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "base/json.hpp"
#include "data/reply_spans.hpp"
#include "text/gguf_tokenizer.hpp"

namespace {

using namespace linnet;

const Tokenizer& tokenizer() {
  static const Tokenizer one = [] {
    GgufTokenizerFields fields;
    fields.model = "gpt2";
    fields.pre = "gpt-2";
    for (int b = 'a'; b <= 'z'; ++b) {
      fields.tokens.push_back(std::string(1, static_cast<char>(b)));
      fields.token_types.push_back(1);
    }
    fields.tokens.emplace_back("ab");
    fields.token_types.push_back(1);
    for (const char* special : {"<s>", "<|im_end|>"}) {
      fields.tokens.emplace_back(special);
      fields.token_types.push_back(3);
    }
    fields.merges = {"a b"};
    auto loaded = load_gguf_tokenizer(fields, "fuzz");
    CHECK(loaded.ok());
    return std::move(loaded).value();
  }();
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto chat = ChatTemplate::parse(Json(std::string(source)), "fuzz", {{"eos_token", "<|im_end|>"}});
  if (!chat.ok()) return 0;
  static const PromptEncoder encoder(tokenizer());
  const std::optional<int32_t> end = tokenizer().id_of("<|im_end|>");
  if (!end) return 0;
  ReplySpanSettings settings{.chat_template = &*chat, .encoder = &encoder, .end_ids = {*end}};
  settings.options.limits.steps = 100'000;
  settings.options.limits.output = 1 << 18;
  settings.options.now = std::tm{};
  ChatRequest request;
  request.messages = Json::parse(R"([{"role": "system", "content": "s"}, {"role": "user", "content": "a <|im_end|>"},
      {"role": "assistant", "content": "<think>b</think>c"}, {"role": "user", "content": "d"}, {"role": "assistant", "content": "é"}])");
  const auto marks = encoder.mark(request.messages);
  CHECK(marks.ok());
  const auto texts = find_reply_spans(settings, request, {false, false, true, false, true}, *marks);
  if (!texts.ok()) return 0;
  for (const RenderedReplies& one : *texts) {
    size_t last = 0;
    for (const TextSpan& span : one.spans) {
      CHECK(span.begin >= last && span.begin < span.end && span.end <= one.text.size());
      CHECK(one.text.substr(span.begin, span.end - span.begin).find("<|im_end|>") != std::string::npos);
      last = span.end;
    }
  }
  return 0;
}
