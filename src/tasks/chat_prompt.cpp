#include "tasks/chat_prompt.hpp"

#include "base/json.hpp"
#include "text/chat_request.hpp"
#include "text/prompt_encoder.hpp"

namespace linnet {

Result<ChatPrompt> make_chat_prompt(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                    const ChatRequest& request) {
  const PromptEncoder encoder(tokenizer);
  ChatRequest marked = request;
  TRY_ASSIGN(const std::optional<PromptMarks> marks, encoder.mark(marked.messages));
  TRY_ASSIGN(Rendered rendered, chat_template.render(marked));
  ChatPrompt prompt;
  TRY_ASSIGN(prompt.tokens, encoder.encode(rendered.text, marks));
  prompt.text = PromptEncoder::without_marks(std::move(rendered.text), marks);
  return prompt;
}

}  // namespace linnet
