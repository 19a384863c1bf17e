#include "tasks/chat_prompt.hpp"

#include "base/json.hpp"
#include "base/utf8.hpp"
#include "data/cut_input.hpp"
#include "text/chat_request.hpp"
#include "text/prompt_encoder.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

constexpr int kMaxDepth = 64;  // of the messages; whatever lies deeper is refused by the template

// Templates take nothing but UTF-8, and what a person pastes may be none.
void repair(Json& json, std::string& first, int depth) {
  if (json.is_string()) {
    auto& text = json.get_ref<std::string&>();
    if (!is_valid_utf8(text)) text = replace_invalid_utf8(text, {}, &first);
  } else if (json.is_structured() && depth < kMaxDepth) {
    for (Json& item : json) repair(item, first, depth + 1);
  }
}

}  // namespace

Result<ChatPrompt> make_chat_prompt(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                    const ChatRequest& request) {
  const PromptEncoder encoder(tokenizer);
  ChatRequest marked = request;
  EncodeLoss loss{EncodeLoss::Kind::kNotUtf8, {}};
  repair(marked.messages, loss.bytes, 0);
  if (!loss.bytes.empty()) tokenizer.report_loss(loss);
  TRY_ASSIGN(const std::optional<PromptMarks> marks, encoder.mark(marked.messages));
  TRY_ASSIGN(Rendered rendered, chat_template.render(marked));
  ChatPrompt prompt;
  TRY_ASSIGN(prompt.tokens, encoder.encode(rendered.text, marks));
  prompt.text = PromptEncoder::without_marks(std::move(rendered.text), marks);
  return prompt;
}

ChatRenderer chat_renderer(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const ChatManner& manner) {
  return [&chat_template, &tokenizer, manner](std::span<const ChatExample> examples,
                                              const std::string& request) -> Result<std::vector<int32_t>> {
    ChatRequest chat;
    chat.messages = Json::array();
    if (!manner.system.empty()) chat.messages.push_back({{"role", "system"}, {"content", manner.system}});
    for (const ChatExample& example : examples) {
      chat.messages.push_back({{"role", "user"}, {"content", example.request}});
      chat.messages.push_back({{"role", "assistant"}, {"content", example.reply}});
    }
    std::string asked = request;
    if (manner.input_tokens > 0) TRY(cut_to_tokens(asked, manner.input_tokens, tokenizer));
    chat.messages.push_back({{"role", "user"}, {"content", std::move(asked)}});
    chat.add_generation_prompt = true;
    TRY_ASSIGN(ChatPrompt prompt, make_chat_prompt(chat_template, tokenizer, chat));
    return std::move(prompt.tokens);
  };
}

}  // namespace linnet
