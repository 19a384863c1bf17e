// From a conversation to tokens. Special tokens come from the template alone: what people write is text, even when it
// spells <|im_end|>.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "eval/run_task.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

struct ChatPrompt {
  std::string text;  // as the template made it
  std::vector<int32_t> tokens;
};

Result<ChatPrompt> make_chat_prompt(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                    const ChatRequest& request);

struct ChatManner {
  std::string system = {};   // the message that a conversation begins with; empty: none
  int64_t input_tokens = 0;  // a longer request is cut to its beginning (data/cut_input.hpp); 0: none is
};
// Asks through a chat template. Borrows both.
ChatRenderer chat_renderer(const ChatTemplate& chat_template, const Tokenizer& tokenizer, const ChatManner& manner);

}  // namespace linnet
