// What a chat template makes a prompt of.
// Thread safety: a value.
#pragma once

#include <string>

#include "base/json.hpp"

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

}  // namespace linnet
