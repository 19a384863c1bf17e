// Where in a rendered conversation the assistant speaks, for any chat template.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "text/chat_request.hpp"
#include "text/chat_template.hpp"
#include "text/prompt_encoder.hpp"

namespace linnet {

struct RenderedReplies {
  std::string text;             // with the marks that the messages have
  std::vector<TextSpan> spans;  // bytes: what the assistant says, up to and with the end of its turn; ascending
};

struct ReplySpanSettings {
  const ChatTemplate* chat_template = nullptr;
  const PromptEncoder* encoder = nullptr;
  std::vector<int32_t> end_ids;  // tokens after which generation stops
  RenderOptions options;
};

// Renders request.messages (marked by PromptEncoder::mark, if so by `marks`) for training. learned[i] says whether
// message i is an assistant's message that is learned.
//
// A template with {% generation %} says itself what the assistant speaks; an end of turn right behind such a block
// counts as part of it. Otherwise, for each reply, the conversation before it is rendered with the generation prompt
// (P), and the one that ends with it (R): the reply is what R has more than P. So each reply is learned behind the very
// prompt that the model will see. Where earlier replies look different once the conversation goes on (reasoning taken
// out, another end), the conversation gives several texts, each of which ends with one of them; else it gives one.
//
// Where P ends with an opened "<think>" that R has not, the text is P, the message's reasoning, "</think>" and the
// reply. Errors: the template's own; no end of turn behind a reply; a reply that cannot be told from what stands around
// it; a tool call that the template does not write; more than 256 MiB rendered.
Result<std::vector<RenderedReplies>> find_reply_spans(const ReplySpanSettings& settings, const ChatRequest& request,
                                                      const std::vector<bool>& learned,
                                                      const std::optional<PromptMarks>& marks);

}  // namespace linnet
