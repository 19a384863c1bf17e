// linnet tokens: how a model cuts a text.
#include <array>
#include <fmt/core.h>
#include <memory>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/terminal.hpp"
#include "base/utf8.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"
#include "tasks/tokenizer_loader.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  std::string model;
  std::string text;
  std::string file;
  bool json = false;
  bool add_special = false;
  bool parse_special = false;
};

Result<std::string> read_text(const Flags& flags) {
  if (!flags.file.empty()) return flags.file == "-" ? read_stdin() : read_file(flags.file);
  if (!flags.text.empty() || stdin_is_terminal()) return flags.text;
  return read_stdin();
}

// A token's bytes as a person can read them: line breaks and invalid UTF-8 escaped.
std::string visible(const std::string& bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Step step = decode_utf8(std::string_view(bytes).substr(at));
    if (step.valid && step.code_point >= 0x20 && step.code_point != 0x7F) {
      out += bytes.substr(at, static_cast<size_t>(step.length));
    } else if (bytes[at] == '\n') {
      out += "\\n";
    } else if (bytes[at] == '\t') {
      out += "\\t";
    } else {
      for (int i = 0; i < step.length; ++i)
        out += fmt::format("\\x{:02X}", static_cast<unsigned char>(bytes[at + static_cast<size_t>(i)]));
    }
    at += static_cast<size_t>(step.length);
  }
  return out;
}

// The text with a background that changes from token to token, then each token's id.
Status print_coloured(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  constexpr std::array<int, 6> kBackgrounds{153, 223, 193, 218, 229, 189};  // light, of the 256-colour palette
  std::string out;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string shown = visible(tokenizer.token_bytes(ids[i]));
    out += fmt::format("\033[30;48;5;{}m{}\033[0m", kBackgrounds[i % kBackgrounds.size()],
                       shown.empty() ? std::string(tokenizer.piece(ids[i])) : shown);
  }
  out += "\n";
  for (const int32_t id : ids) out += fmt::format("{} ", id);
  out += fmt::format("\n{} tokens\n", ids.size());
  return print(out);
}

Status print_lines(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string out;
  for (const int32_t id : ids) {
    out +=
        fmt::format("{}\t{}\t{}\n", id, visible(std::string(tokenizer.piece(id))), visible(tokenizer.token_bytes(id)));
  }
  return print(out);
}

Status run(const Flags& flags) {
  if (!flags.text.empty() && !flags.file.empty()) return usage_error("give a text or --file, not both");
  TRY_ASSIGN(const FoundFiles found, find_files(flags.model));
  TRY_ASSIGN(const Tokenizer tokenizer, load_tokenizer(found.files));
  TRY_ASSIGN(const std::string text, read_text(flags));
  TRY_ASSIGN(const std::vector<int32_t> ids,
             tokenizer.encode(text, {.add_special = flags.add_special, .parse_special = flags.parse_special}));
  if (!flags.json) return stdout_has_colour() ? print_coloured(tokenizer, ids) : print_lines(tokenizer, ids);
  Json pieces = Json::array();
  for (const int32_t id : ids) pieces.push_back(std::string(tokenizer.piece(id)));
  return print_json({{"ids", ids}, {"pieces", std::move(pieces)}});
}

}  // namespace

Job declare_tokens(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  args.add("MODEL", flags->model, "a model, or a tokenizer alone: a .gguf, tokenizer.json or .model file, or a folder")
      .required();
  args.add("TEXT", flags->text, "the text, as it is; without it, standard input");
  args.add("--file", flags->file, "the text of this file; - for standard input");
  args.flag("--json", flags->json, "{\"ids\": [...], \"pieces\": [...]}");
  args.flag("--add-special", flags->add_special, "add the tokens that the model expects around a text");
  args.flag("--parse-special", flags->parse_special, "special tokens that the text spells are tokens");
  return [flags] { return run(*flags); };
}

}  // namespace linnet::cli
