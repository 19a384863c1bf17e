// From a conversation to tokens. Special tokens come from the template alone: what people write is text, even when it
// spells <|im_end|>.
// Thread safety: pure functions.
#pragma once

#include <vector>

#include "base/json_object.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

struct ChatPrompt {
  std::string text;  // as the template made it
  std::vector<int32_t> tokens;
};

Result<ChatPrompt> make_chat_prompt(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                    const ChatRequest& request);

}  // namespace linnet
