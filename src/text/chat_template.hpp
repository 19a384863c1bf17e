// From a conversation to the prompt that a model expects: what transformers' apply_chat_template does.
// Follows: transformers 5, utils/chat_template_utils.py and PreTrainedTokenizerBase.get_chat_template.
// Thread safety: a ChatTemplate may be used by many threads at once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "base/result.hpp"
#include "text/jinja/template.hpp"

namespace linnet {

struct ChatRequest;  // text/chat_request.hpp

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
