// linnet next: what a model thinks comes next, as bars. The first thing for a student to see.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/terminal.hpp"
#include "base/utf8.hpp"
#include "cli/common.hpp"
#include "cli/verb.hpp"

namespace linnet::cli {

namespace {

struct Flags {
  ModelFlags model;
  std::string text;
  bool text_given = false;
  int32_t count = 10;
  bool json = false;
};

constexpr const char* kDefaultModel = "smollm2";

std::string label_of(const Tokenizer& tokenizer, int32_t id) {
  std::string bytes = tokenizer.token_bytes(id);
  if (bytes.empty()) return std::string(tokenizer.piece(id));
  std::string out;
  for (const char c : bytes) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return is_valid_utf8(out) ? "\"" + out + "\"" : std::string(tokenizer.piece(id));
}

int64_t columns_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// Bars in eighths of a column.
std::string bar(double fraction, int columns) {
  constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<int>(std::lround(fraction * columns * 8));
  std::string out;
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  return out + kEighths[eighths % 8];
}

std::string draw(const Tokenizer& tokenizer, const std::vector<TokenChance>& top) {
  constexpr int kPercent = 8;
  int64_t widest = 0;
  for (const TokenChance& token : top) widest = std::max(widest, columns_of(label_of(tokenizer, token.id)));
  const int room = std::max(10, std::min(terminal_columns(), 100) - static_cast<int>(widest) - kPercent - 2);
  const double best = std::exp(double{top[0].log_probability});
  std::string out;
  for (const TokenChance& token : top) {
    const std::string label = label_of(tokenizer, token.id);
    const double probability = std::exp(double{token.log_probability});
    out += std::string(static_cast<size_t>(widest - columns_of(label)), ' ') + label;
    out += fmt::format(" {:5.1f}% {}\n", 100 * probability, bar(probability / best, room));
  }
  return out;
}

Status run(Flags flags) {
  // `linnet next "text"`: one argument is the text, for the model that everybody has.
  if (!flags.text_given) {
    flags.text = std::move(flags.model.model);
    flags.model.model = kDefaultModel;
  }
  interrupt_token();
  TRY_ASSIGN(const std::unique_ptr<Speaker> speaker, open_speaker(flags.model));
  TRY_ASSIGN(const std::vector<int32_t> tokens, speaker->tokenizer.encode(flags.text, {.add_special = true}));
  if (tokens.empty()) return usage_error("the text is empty", "linnet next \"I want to drink hot\"");
  Session session = speaker->session();
  TRY_ASSIGN(const std::span<const float> logits, session.read(tokens, &interrupt_token()));
  const std::vector<TokenChance> top = top_tokens(logits, flags.count);
  if (!flags.json) return print(flags.text + " ...\n" + draw(speaker->tokenizer, top));
  Json list = Json::array();
  for (const TokenChance& token : top) {
    list.push_back({{"id", token.id},
                    {"token", speaker->tokenizer.token_bytes(token.id)},
                    {"probability", std::exp(double{token.log_probability})}});
  }
  return print_json({{"text", flags.text}, {"next", std::move(list)}});
}

}  // namespace

Job declare_next(Arguments& args) {
  auto flags = std::make_shared<Flags>();
  flags->model.declare(args);
  args.add("TEXT", flags->text, "the text so far; with one argument alone, that is the text and the model is smollm2");
  args.add("--count", flags->count, "how many tokens to show").in_range(1, 1000);
  args.flag("--json", flags->json, "the list as JSON");
  return [flags, args] {
    flags->text_given = args.given("TEXT");
    return run(*flags);
  };
}

}  // namespace linnet::cli
