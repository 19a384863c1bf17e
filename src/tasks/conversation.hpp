// A conversation: what was said, by whom, and how it is kept in a file.
//
// File format: {"model": NAME, "messages": [{"role", "content"}, …]}, the messages as OpenAI's chat API writes them. A
// bare list of messages is read too.
// Ownership: a value. Thread safety: none needed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"

namespace linnet {

struct ChatMessage {
  enum class Role : uint8_t { kSystem, kUser, kAssistant };
  Role role = Role::kUser;
  std::string content;
  bool operator==(const ChatMessage&) const = default;
};

class Conversation {
 public:
  // What the model is told first; empty: nothing, which some templates fill in.
  const std::string& system() const { return system_; }
  void set_system(std::string text) { system_ = std::move(text); }

  // Questions and replies, without the system message.
  const std::vector<ChatMessage>& messages() const { return messages_; }
  bool empty() const { return messages_.empty(); }
  void add(ChatMessage::Role role, std::string content) { messages_.push_back({role, std::move(content)}); }

  // Forgets what was said; the system message stays.
  void clear() { messages_.clear(); }
  // Takes the last message off when it has this role; nullopt when it has not.
  std::optional<ChatMessage> take_last(ChatMessage::Role role);
  // How many turns there are. A turn is a question with what was answered to it.
  int64_t turns() const;
  // Forgets the oldest `count` turns, or all that there are.
  void drop_turns(int64_t count);

  // For chat templates and for files.
  Json to_json() const;
  // Errors name the message: no list, an unknown role, content that is not text, a system message in the middle.
  static Result<Conversation> from_json(const Json& messages, const std::string& place);

 private:
  std::string system_;
  std::vector<ChatMessage> messages_;
};

// Writes beside and renames. Error kConflict when `path` exists and is not a saved conversation: nobody's other file is
// lost to a slip of the fingers.
Status save_conversation(const Conversation& conversation, std::string_view model, const std::filesystem::path& path);
Result<Conversation> load_conversation(const std::filesystem::path& path);

}  // namespace linnet
