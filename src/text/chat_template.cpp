#include "text/chat_template.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "text/chat_request.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

// The names under which a message's reasoning travels; the first is the one that templates read.
constexpr std::array<std::string_view, 3> kReasoning = {"reasoning_content", "thinking", "reasoning"};

// Put behind the text that is to be continued, found again in the prompt, and cut off there.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

const Json* present(const Json& message, std::string_view field) {
  const auto at = message.find(field);
  return at == message.end() || at->is_null() ? nullptr : &*at;
}

// Every template finds the reasoning where it looks: as "thinking" (gpt-oss) and as "reasoning_content".
Json with_reasoning_names(const Json& message) {
  for (const std::string_view field : kReasoning) {
    const Json* reasoning = present(message, field);
    if (!reasoning) continue;
    Json out = Json::object();
    out["thinking"] = *reasoning;
    for (const auto& [key, value] : message.items()) out[key] = value;
    out["reasoning_content"] = *reasoning;
    return out;
  }
  return message;
}

// Marks the end of the last message's `field`, and returns the text that stands before the mark.
Result<std::string> mark_continuation(Json& messages, const std::string& field, const std::string& source) {
  const auto bad = [](std::string why) { return usage_error("cannot continue the final message: " + std::move(why)); };
  if (messages.empty()) return bad("there are no messages");
  Json& message = messages.back();
  const Json* content = present(message, field);
  if (!content) return bad(fmt::format("it has no \"{}\"", field));
  std::vector<std::string> fields = {field};
  if (std::ranges::find(kReasoning, field) != kReasoning.end()) {
    fields.clear();
    for (const std::string_view name : kReasoning) {
      const Json* other = present(message, name);
      if (other && *other == *content) fields.emplace_back(name);
    }
  }
  const auto mentioned = [&](const std::string& name) { return source.find(name) != std::string::npos; };
  if (std::ranges::none_of(fields, mentioned)) {
    return bad(fmt::format("the template does not use the field \"{}\"", field));
  }
  if (content->is_array()) {
    Json& blocks = message[field];
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
      if (!block->is_object() || !block->contains("text") || !(*block)["text"].is_string()) continue;
      const auto text = (*block)["text"].get<std::string>();
      (*block)["text"] = text + std::string(kContinueTag);
      return text;
    }
    return bad("none of its parts is text");
  }
  if (!content->is_string()) return bad(fmt::format("its \"{}\" is not text", field));
  const auto text = content->get<std::string>();
  for (const std::string& name : fields) message[name] = text + std::string(kContinueTag);
  return text;
}

Status cut_continuation(Rendered& rendered, const std::string& continued, const std::string& place) {
  const std::string_view mark = jinja::strip_space(kContinueTag, true, true);
  const std::string_view text = jinja::strip_space(continued, true, true);
  const size_t at = rendered.text.rfind(mark);
  if (at == std::string::npos || jinja::find_text(rendered.text, text) == std::string::npos) {
    return invalid("the template leaves out the final message or parts of it, so it cannot be continued", place,
                   "end the conversation with a message of the user instead");
  }
  const bool spacing_kept = rendered.text.compare(at, kContinueTag.size(), kContinueTag) == 0;
  rendered.text.resize(at);
  if (!spacing_kept) rendered.text.resize(jinja::strip_space(rendered.text, false, true).size());
  std::erase_if(rendered.generation, [&](const RenderedSpan& span) { return span.begin >= rendered.text.size(); });
  for (RenderedSpan& span : rendered.generation) span.end = std::min(span.end, rendered.text.size());
  return ok_status();
}

Status check_objects(const Json& items, std::string_view what) {
  if (!items.is_array()) return usage_error(fmt::format("{} must be a list, got {}", what, items.type_name()));
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_object()) {
      return usage_error(fmt::format("{}[{}] must be an object, got {}", what, i, items[i].type_name()));
    }
  }
  return ok_status();
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(const Json& source, std::string name,
                                         std::map<std::string, std::string> special_tokens) {
  ChatTemplate out(name, std::move(special_tokens));
  if (source.is_string()) {
    TRY_ASSIGN(Template one, Template::parse(source.get_ref<const std::string&>(), std::move(name)));
    out.templates_.emplace("", std::move(one));
    return out;
  }
  if (!source.is_array() || source.empty()) {
    return invalid(fmt::format("a chat template must be text or a list of named ones, got {}", source.type_name()),
                   name);
  }
  for (const Json& item : source) {
    TRY_ASSIGN(const JsonObject entry, JsonObject::of(item, name + ": chat_template"));
    TRY_ASSIGN(std::string key, entry.string("name"));
    TRY_ASSIGN(const std::string text, entry.string("template"));
    TRY_ASSIGN(Template one, Template::parse(text, fmt::format("{} ({})", name, key)));
    out.templates_.insert_or_assign(std::move(key), std::move(one));
  }
  return out;
}

std::vector<std::string> ChatTemplate::names() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : templates_) out.push_back(key);
  return out;
}

Result<const Template*> ChatTemplate::choose(std::string_view template_name, bool has_tools) const {
  const auto find = [&](std::string_view key) -> const Template* {
    const auto at = templates_.find(std::string(key));
    return at == templates_.end() ? nullptr : &at->second;
  };
  const Template* chosen = nullptr;
  if (!template_name.empty()) {
    chosen = find(template_name);
  } else {
    chosen = find("");
    if (!chosen && has_tools) chosen = find("tool_use");
    if (!chosen) chosen = find("default");
  }
  if (chosen) return chosen;
  const std::string wanted = template_name.empty() ? "default" : std::string(template_name);
  return not_found(fmt::format("there is no chat template named \"{}\"", wanted), name_,
                   fmt::format("choose one of: {}", fmt::join(names(), ", ")));
}

Result<Rendered> ChatTemplate::render(const ChatRequest& request, const RenderOptions& options) const {
  TRY(check_objects(request.messages, "messages"));
  if (!request.tools.is_null()) TRY(check_objects(request.tools, "tools"));
  if (!request.documents.is_null()) TRY(check_objects(request.documents, "documents"));
  const std::string& continued_field = request.continue_final_message;
  if (!continued_field.empty() && request.add_generation_prompt) {
    return usage_error("a prompt either continues the final message or begins a new one, not both");
  }
  TRY_ASSIGN(const Template* chosen, choose(request.template_name, !request.tools.is_null()));

  Json messages = Json::array();
  for (const Json& message : request.messages) messages.push_back(with_reasoning_names(message));
  std::string continued;
  if (!continued_field.empty()) {
    TRY_ASSIGN(continued, mark_continuation(messages, continued_field, chosen->source()));
  }
  Json variables = Json::object();
  for (const auto& [key, token] : special_tokens_) variables[key] = token;
  if (request.extra.is_object()) {
    for (const auto& [key, value] : request.extra.items()) variables[key] = value;
  }
  variables["messages"] = std::move(messages);
  variables["tools"] = request.tools;
  variables["documents"] = request.documents;
  variables["add_generation_prompt"] = request.add_generation_prompt;
  TRY_ASSIGN(Rendered rendered, chosen->render(variables, options));
  if (!continued_field.empty()) TRY(cut_continuation(rendered, continued, chosen->name()));
  return rendered;
}

}  // namespace linnet
