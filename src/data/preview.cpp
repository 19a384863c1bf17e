#include "data/preview.hpp"

#include <fmt/format.h>

#include "base/terminal.hpp"

namespace linnet {

namespace {

constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kPlain = "\x1b[0m";

void append_tokens(std::string& out, const TokenSequence& sequence, const Tokenizer& tokenizer, bool colour,
                   size_t begin, size_t end) {
  Detokenizer detokenizer(tokenizer, {.skip_special = false});
  for (size_t t = begin; t < end;) {
    const bool learned = sequence.learned[t] != 0;
    std::string run;
    for (; t < end && (sequence.learned[t] != 0) == learned; ++t) run += detokenizer.push(sequence.tokens[t]);
    if (t == end) run += detokenizer.finish();
    run = without_controls(run);
    if (!learned) {
      out += run;
    } else if (colour) {
      out.append(kGreen).append(run).append(kPlain);
    } else {
      out.append("⟦").append(run).append("⟧");
    }
  }
}

}  // namespace

std::string preview(const TokenSequence& sequence, const Tokenizer& tokenizer, bool colour, size_t most) {
  const size_t count = sequence.tokens.size();
  std::string out;
  if (count <= most) {
    append_tokens(out, sequence, tokenizer, colour, 0, count);
  } else {
    append_tokens(out, sequence, tokenizer, colour, 0, most / 2);
    out += fmt::format("\n… {} tokens …\n", count - most);
    append_tokens(out, sequence, tokenizer, colour, count - (most - most / 2), count);
  }
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

}  // namespace linnet
