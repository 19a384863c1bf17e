#include "tasks/conversation.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "base/file.hpp"
#include "base/json.hpp"

namespace linnet {

namespace {

using ChatRole = ChatMessage::Role;

constexpr uint64_t kMaxFile = 64ull << 20;
constexpr std::array<std::pair<ChatRole, std::string_view>, 3> kRoles{
    {{ChatRole::kSystem, "system"}, {ChatRole::kUser, "user"}, {ChatRole::kAssistant, "assistant"}}};

std::string_view role_name(ChatRole role) {
  return std::find_if(kRoles.begin(), kRoles.end(), [&](const auto& entry) { return entry.first == role; })->second;
}

// Text, or a list of parts that are all text.
Result<std::string> read_content(const JsonObject& message) {
  const Json* content = message.find("content");
  if (!content || !content->is_array()) return message.string("content");
  std::string text;
  for (const Json& part : *content) {
    TRY_ASSIGN(const JsonObject object, JsonObject::of(part, message.place() + ": content"));
    TRY_ASSIGN(const std::string type, object.string("type"));
    if (type != "text") return unsupported("only text can be read here, not " + type, object.place());
    TRY_ASSIGN(const std::string piece, object.string("text"));
    text += piece;
  }
  return text;
}

Result<ChatMessage> read_message(const Json& json, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  TRY_ASSIGN(const std::string name, object.string("role"));
  const auto role = std::find_if(kRoles.begin(), kRoles.end(), [&](const auto& entry) { return entry.second == name; });
  if (role == kRoles.end()) {
    return unsupported("no role \"" + name + "\" is known here", place, "use system, user or assistant");
  }
  if (object.has("tool_calls")) return unsupported("tool calls cannot be read here", place);
  TRY_ASSIGN(std::string content, read_content(object));
  return ChatMessage{role->first, std::move(content)};
}

}  // namespace

std::optional<ChatMessage> Conversation::take_last(ChatRole role) {
  if (messages_.empty() || messages_.back().role != role) return std::nullopt;
  ChatMessage last = std::move(messages_.back());
  messages_.pop_back();
  return last;
}

int64_t Conversation::turns() const {
  return std::count_if(messages_.begin(), messages_.end(), [](const auto& m) { return m.role == ChatRole::kUser; });
}

void Conversation::drop_turns(int64_t count) {
  auto keep = messages_.begin();
  for (; keep != messages_.end(); ++keep) {
    // A reply that no question precedes belongs to the oldest turn.
    if (keep->role == ChatRole::kUser && count-- <= 0) break;
  }
  messages_.erase(messages_.begin(), keep);
}

Json Conversation::to_json() const {
  Json list = Json::array();
  if (!system_.empty()) list.push_back({{"role", "system"}, {"content", system_}});
  for (const ChatMessage& message : messages_) {
    list.push_back({{"role", std::string(role_name(message.role))}, {"content", message.content}});
  }
  return list;
}

Result<Conversation> Conversation::from_json(const Json& messages, const std::string& place) {
  if (!messages.is_array()) return invalid("is not a list of messages", place);
  Conversation out;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string where = fmt::format("{}: message {}", place, i + 1);
    TRY_ASSIGN(ChatMessage message, read_message(messages[i], where));
    if (message.role != ChatRole::kSystem) {
      out.messages_.push_back(std::move(message));
    } else if (i == 0) {
      out.system_ = std::move(message.content);
    } else {
      return unsupported("a system message can only be the first", where);
    }
  }
  return out;
}

Result<Conversation> load_conversation(const std::filesystem::path& path) {
  const std::string place = path.string();
  TRY_ASSIGN(const Json json, read_json_file(place, kMaxFile));
  if (json.is_array()) return Conversation::from_json(json, place);
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  const Json* messages = object.find("messages");
  if (!messages) return invalid("is not a saved conversation: it has no \"messages\"", place);
  return Conversation::from_json(*messages, place);
}

Status save_conversation(const Conversation& conversation, std::string_view model, const std::filesystem::path& path) {
  std::error_code code;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(path, code));
  if (exists && !load_conversation(path).ok()) {
    return Error{ErrorCode::kConflict, "exists and is not a saved conversation, so it is left alone", path.string(),
                 "choose another name"};
  }
  const Json json = {{"model", std::string(model)}, {"messages", conversation.to_json()}};
  return write_file(path, dump_json(json, 2) + "\n");
}

}  // namespace linnet
