// linnet chat: a conversation in the terminal, or one message a line from a pipe.
#include <cstdio>
#include <memory>
#include <random>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/line_editor.hpp"
#include "base/paths.hpp"
#include "base/terminal.hpp"
#include "cli/chat_session.hpp"
#include "cli/verb.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string system;
  bool stats = false;
};

// What the person set by a flag goes before what the model's makers advise.
Result<ChatSettings> choose_settings(const Arguments& args, const Flags& flags, const Json& generation_config) {
  TRY_ASSIGN(ChatSettings settings, default_chat_settings(generation_config));
  std::vector<std::string_view> names = sampling_setting_names();
  names.insert(names.end(), {"seed", "max-tokens"});
  for (const std::string_view name : names) {
    if (const auto typed = args.typed("--" + std::string(name))) TRY(settings.set(name, *typed));
  }
  if (!args.given("--seed")) settings.sampling.seed = std::random_device()();
  settings.stats = flags.stats;
  return settings;
}

void complain(const Error& error) {
  std::fprintf(stderr, "%s\n", without_controls(error.to_string()).c_str());
}

// A command or a message, from wherever it came. False ends the chat.
Result<bool> act_on(ChatSession& chat, std::string message) {
  if (message.starts_with('/') && message.find('\n') == std::string::npos) {
    TRY_ASSIGN(const ChatCommand command, parse_chat_command(message));
    return chat.obey(command);
  }
  if (message.find_first_not_of(" \t\r\n") == std::string::npos) return true;
  if (message.starts_with(" /")) message.erase(0, 1);
  TRY(chat.ask(std::move(message)));
  return true;
}

Status talk_on_terminal(ChatSession& chat) {
  TRY(print(chat.welcome()));
  LineEditor editor(state_dir() / "chat_history", complete_chat_command);
  MessageLines lines;
  bool history_works = true;
  for (;;) {
    LineEditor::Read read = editor.read_line(lines.open() ? "... " : "> ");
    if (read.event == LineEditor::Event::kEnd) return ok_status();
    if (read.event == LineEditor::Event::kInterrupt) {
      interrupt_token().reset();
      const bool nothing = read.text.empty() && !lines.open();
      lines.take();
      if (nothing) TRY(print("To end: Ctrl-D or /bye\n"));
      continue;
    }
    std::optional<std::string> message = lines.push(read.text);
    if (!message || message->empty()) continue;
    if (history_works) {
      const Status kept = editor.remember(*message);
      history_works = kept.ok();
      if (!kept.ok()) complain(kept.error());
    }
    auto going = act_on(chat, std::move(*message));
    if (!going.ok()) {
      if (going.error().code == ErrorCode::kIo && !stdout_is_terminal()) return std::move(going).error();
      interrupt_token().reset();
      complain(going.error());
      continue;
    }
    if (!*going) return ok_status();
  }
}

// The next line of standard input; nullopt at its end.
Result<std::optional<std::string>> next_line() {
  constexpr size_t kMaxLine = size_t{64} << 20;
  std::string line;
  for (;;) {
    const int c = std::getc(stdin);
    if (interrupt_token().cancelled()) return interrupt_token().check().error();
    if (c == EOF) {
      if (std::ferror(stdin)) return io_error("cannot read standard input");
      if (line.empty()) return std::optional<std::string>();
      return std::optional(std::move(line));
    }
    if (c == '\n') {
      if (line.ends_with('\r')) line.pop_back();
      return std::optional(std::move(line));
    }
    if (line.size() == kMaxLine) return invalid("a line is longer than 64 MiB", "standard input");
    line += static_cast<char>(c);
  }
}

Status talk_through_pipe(ChatSession& chat) {
  MessageLines lines;
  for (;;) {
    TRY_ASSIGN(const std::optional<std::string> line, next_line());
    std::optional<std::string> message;
    if (line) {
      message = lines.push(*line);
    } else if (lines.open()) {
      message = lines.take();
    } else {
      return ok_status();
    }
    if (!message) continue;
    TRY_ASSIGN(const bool going, act_on(chat, std::move(*message)));
    if (!going || !line) return ok_status();
  }
}

Status run(const Arguments& args, const Flags& flags) {
  TRY_ASSIGN(GenerateParams params, flags.sampling.read());
  interrupt_token();
  TRY_ASSIGN(std::unique_ptr<Speaker> speaker, open_speaker(flags.model));
  const auto& advice = speaker->model.description.files.generation_config;
  ChatSession::Options options;
  TRY_ASSIGN(options.settings, choose_settings(args, flags, advice ? *advice : Json()));
  options.params = std::move(params);
  options.system = flags.system.empty() ? speaker->model.system : flags.system;
  options.on_terminal = stdin_is_terminal() && stdout_is_terminal();
  const bool on_terminal = options.on_terminal;
  TRY_ASSIGN(const std::unique_ptr<ChatSession> chat, ChatSession::create(std::move(speaker), std::move(options)));
  return on_terminal ? talk_on_terminal(*chat) : talk_through_pipe(*chat);
}

}  // namespace

Job declare_chat(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  flags->model.declare(args);
  args.add("--system", flags->system, "what the model is told first");
  args.flag("--stats", flags->stats, "token counts and speeds after each reply");
  flags->sampling.max_tokens = kDefaultReplyTokens;
  flags->sampling.declare(args);
  args.notes(
      "Without sampling flags: what the model's generation_config.json says, else temperature 0.7 and top-p 0.95, with "
      "another seed each time.\nFrom a pipe: one message a line, replies on standard output.");
  return [flags, args] { return run(args, *flags); };
}

}  // namespace linnet::cli
