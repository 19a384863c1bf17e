#include "cli/chat_commands.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/core.h>

namespace linnet::cli {

namespace {

enum class Takes : uint8_t { kNothing, kText, kTextOrNothing, kNameAndValue, kCountOrNothing };

struct Command {
  std::string_view name;
  ChatVerb verb;
  Takes takes;
  std::string_view arguments;  // as help shows them
  std::string_view help;       // empty: another name of the command above
};

constexpr std::array<Command, 13> kCommands{{
    {"/help", ChatVerb::kHelp, Takes::kNothing, "", "this list"},
    {"/system", ChatVerb::kSystem, Takes::kTextOrNothing, "[TEXT]",
     "tell the model who it is; without TEXT: show it; - takes it away"},
    {"/adapter", ChatVerb::kAdapter, Takes::kTextOrNothing, "[PATH[=SCALE]]",
     "go on with this adapter in place of others; +PATH: beside them; - takes all off; without PATH: show them"},
    {"/set", ChatVerb::kSet, Takes::kNameAndValue, "NAME VALUE",
     "change a setting: temperature 0.2, max-tokens 200, stats on, …; /show names all"},
    {"/show", ChatVerb::kShow, Takes::kNothing, "", "model, settings, tokens used, context left"},
    {"/save", ChatVerb::kSave, Takes::kText, "FILE", "keep the conversation in a file"},
    {"/load", ChatVerb::kLoad, Takes::kText, "FILE", "go on with a conversation from a file"},
    {"/regen", ChatVerb::kRegen, Takes::kNothing, "", "another reply to the last question"},
    {"/drop", ChatVerb::kDrop, Takes::kCountOrNothing, "[N]", "forget the oldest N questions with their replies; 1"},
    {"/clear", ChatVerb::kClear, Takes::kNothing, "", "begin anew; the system text stays"},
    {"/bye", ChatVerb::kBye, Takes::kNothing, "", "end; Ctrl-D does the same"},
    {"/exit", ChatVerb::kBye, Takes::kNothing, "", ""},
    {"/quit", ChatVerb::kBye, Takes::kNothing, "", ""},
}};

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Cuts the first word off `text`.
std::string_view next_word(std::string_view& text) {
  text = trim(text);
  const size_t end = std::min(text.find_first_of(kSpace), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

Error used_wrongly(const Command& command) {
  if (command.arguments.empty()) return usage_error(fmt::format("{} takes nothing after it", command.name));
  return usage_error(fmt::format("use {} {}", command.name, command.arguments));
}

}  // namespace

Result<ChatCommand> parse_chat_command(std::string_view line) {
  std::string_view rest = line;
  const std::string_view name = next_word(rest);
  const auto found = std::find_if(kCommands.begin(), kCommands.end(), [&](const auto& c) { return c.name == name; });
  if (found == kCommands.end()) {
    return usage_error(fmt::format("there is no command {}", name),
                       "/help lists them; to say it to the model, begin with a space");
  }
  ChatCommand out;
  out.verb = found->verb;
  switch (found->takes) {
    case Takes::kNothing:
      if (!rest.empty()) return used_wrongly(*found);
      break;
    case Takes::kText:
      if (rest.empty()) return used_wrongly(*found);
      [[fallthrough]];
    case Takes::kTextOrNothing:
      out.argument = rest;
      break;
    case Takes::kNameAndValue:
      out.argument = next_word(rest);
      out.value = rest;
      if (out.argument.empty() || out.value.empty()) return used_wrongly(*found);
      break;
    case Takes::kCountOrNothing: {
      if (rest.empty()) break;
      const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), out.count);
      if (code != std::errc() || end != rest.data() + rest.size() || out.count < 1) return used_wrongly(*found);
      break;
    }
  }
  return out;
}

std::string chat_help() {
  std::string out;
  for (const Command& command : kCommands) {
    if (command.help.empty()) continue;
    const std::string usage = fmt::format("{} {}", command.name, command.arguments);
    out += fmt::format("  {:<24} {}\n", usage, command.help);
  }
  out +=
      "Ctrl-C stops a reply. Up and Down bring back what you typed.\n"
      "Many lines: end a line with \\ to go on, put the text between \"\"\" and \"\"\", press Alt-Enter, or paste.\n";
  return out;
}

std::string complete_chat_command(std::string_view start) {
  std::string out;
  for (const Command& command : kCommands) {
    if (!command.name.starts_with(start)) continue;
    if (!out.empty()) return {};
    out = command.name;
  }
  return out;
}

std::optional<std::string> MessageLines::push(std::string_view line) {
  constexpr std::string_view kFence = "\"\"\"";
  if (!open() && line.starts_with(kFence)) {
    block_ = true;
    line.remove_prefix(kFence.size());
    if (line.empty()) return std::nullopt;
  }
  if (block_) {
    text_ += line;
    if (!line.ends_with(kFence)) {
      text_ += '\n';
      return std::nullopt;
    }
    text_.resize(text_.size() - kFence.size());
    // The break before a fence on a line of its own belongs to the fence.
    if (text_.ends_with('\n')) text_.pop_back();
    return take();
  }
  const bool pasted = line.find('\n') != std::string_view::npos;
  if (!pasted && line.ends_with('\\')) {
    text_ += line.substr(0, line.size() - 1);
    text_ += '\n';
    continued_ = true;
    return std::nullopt;
  }
  text_ += line;
  return take();
}

std::string MessageLines::take() {
  block_ = continued_ = false;
  return std::exchange(text_, {});
}

}  // namespace linnet::cli
