// From a conversation to the prompt that a model expects: what transformers' apply_chat_template does.
// Follows: transformers 5, utils/chat_template_utils.py and PreTrainedTokenizerBase.get_chat_template.
// Thread safety: a ChatTemplate may be used by many threads at once.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "text/jinja/template.hpp"

namespace linnet {

struct ChatRequest {
  Json messages = Json::array();  // objects with "role" and mostly "content"
  Json tools;                     // null, or an array of JSON schemas
  Json documents;                 // null, or an array of objects with "title" and "text"
  bool add_generation_prompt = false;
  // Empty, or the field of the last message ("content", "reasoning_content") that the model is to go on with: the
  // prompt then ends where that field ends. Cannot be joined with add_generation_prompt.
  std::string continue_final_message;
  // More variables for the template, such as enable_thinking; they go before the special tokens.
  Json extra = Json::object();
  // Which of several templates; empty chooses as transformers does: "tool_use" when there are tools, else "default".
  std::string template_name;
};

class ChatTemplate {
 public:
  // `source` is one template, or a list of {"name", "template"} as tokenizer_config.json may hold. `name` is for
  // errors. `special_tokens` are the variables bos_token, eos_token, …, those that the tokenizer has.
  static Result<ChatTemplate> parse(const Json& source, std::string name,
                                    std::map<std::string, std::string> special_tokens = {});

  // The prompt. Errors: no such template, messages that are not objects, and what the template says against them.
  Result<Rendered> render(const ChatRequest& request, const RenderOptions& options = {}) const;

  // The template that a request would use.
  Result<const Template*> choose(std::string_view template_name, bool has_tools) const;
  std::vector<std::string> names() const;

 private:
  ChatTemplate(std::string name, std::map<std::string, std::string> special_tokens)
      : name_(std::move(name)), special_tokens_(std::move(special_tokens)) {}

  std::string name_;
  std::map<std::string, std::string> special_tokens_;
  std::map<std::string, Template> templates_;  // one without a name is called ""
};

}  // namespace linnet
