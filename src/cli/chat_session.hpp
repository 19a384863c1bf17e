// One conversation with one model: asks, answers, obeys commands.
// Ownership: owns the model and the conversation. Thread safety: main thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/chat_commands.hpp"
#include "cli/common.hpp"
#include "tasks/chat_settings.hpp"
#include "tasks/conversation.hpp"

namespace linnet::cli {

class ChatSession {
 public:
  struct Options {
    ChatSettings settings;
    GenerateParams params;  // stop strings and logit bias; the settings rule the rest
    std::string system;
    bool on_terminal = false;
  };
  // Error kUnsupported when the model has no chat template, and is no taught list of questions.
  static Result<std::unique_ptr<ChatSession>> create(std::unique_ptr<Speaker> speaker, Options options);

  // Model, size, context, and where help is.
  std::string welcome() const;

  // Prints the reply as it comes. Stopped by Ctrl-C it is no error: what was said stays, and the next turn works; the
  // token is reset on a terminal, where only the reply is stopped. After an error the conversation is as before.
  Status ask(std::string question);
  // Obeys; false ends the chat.
  Result<bool> obey(const ChatCommand& command);

 private:
  ChatSession(std::unique_ptr<Speaker> speaker, std::optional<ChatTemplate> chat_template, Options options);

  Result<std::vector<int32_t>> prompt_of(const Conversation& conversation, bool for_reply) const;
  Result<std::vector<int32_t>> fitting_prompt() const;
  Error does_not_fit(int64_t tokens) const;
  Status reply();
  Status reply_from_list();
  Status regenerate();
  Result<int64_t> tokens_used() const;
  void remark_on(const Generated& result) const;
  Status show() const;
  Status load(const std::string& path);
  Status switch_adapter(const std::string& text);
  Status say(std::string_view text) const;

  std::unique_ptr<Speaker> speaker_;
  std::optional<ChatTemplate> template_;  // a taught list of questions needs none
  Options options_;
  Session session_;
  Conversation conversation_;
  uint64_t replies_ = 0;  // a reply's seed is the setting's plus this, so that /regen says something else
};

}  // namespace linnet::cli
