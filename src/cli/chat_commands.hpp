// What a person types in `linnet chat`: commands that begin with a slash, and messages of one or many lines.
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet::cli {

enum class ChatVerb : uint8_t { kHelp, kSystem, kAdapter, kSet, kShow, kSave, kLoad, kRegen, kDrop, kClear, kBye };

struct ChatCommand {
  ChatVerb verb = ChatVerb::kHelp;
  std::string argument;  // of /system, /adapter, /save, /load, /set (the name); may be empty for the first two
  std::string value;     // of /set
  int64_t count = 1;     // of /drop
};

// A line that begins with "/". Errors kUsage: an unknown command, arguments that it does not take or that are missing.
Result<ChatCommand> parse_chat_command(std::string_view line);

// The text of /help.
std::string chat_help();

// The one command that begins with `start` ("/sh" gives "/show"); empty when none or several do.
std::string complete_chat_command(std::string_view start);

// Puts lines together to messages:
//   a line that ends in a backslash goes on in the next;
//   """ begins a message of many lines, and """ at the end of a line ends it;
//   a pasted text of several lines is one message as it is.
class MessageLines {
 public:
  // The message, once it is complete.
  std::optional<std::string> push(std::string_view line);
  // In the midst of a message.
  bool open() const { return block_ || continued_; }
  // What was typed so far, given up.
  std::string take();

 private:
  std::string text_;
  bool block_ = false;      // between """ and """
  bool continued_ = false;  // after a backslash
};

}  // namespace linnet::cli
