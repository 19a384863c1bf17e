#include "data/preview.hpp"

#include <fmt/format.h>

#include "base/terminal.hpp"

namespace linnet {

namespace {

struct Marks {
  std::string_view open, close;
};

Marks marks_of(const PreviewStyle& style) {
  const bool likelier = style.mark == PreviewMark::kLikelier;
  if (style.colour) return {likelier ? "\x1b[32m" : "\x1b[31m", "\x1b[0m"};
  return likelier ? Marks{"⟦", "⟧"} : Marks{"⟪", "⟫"};
}

void append_tokens(std::string& out, const TokenSequence& sequence, const Tokenizer& tokenizer, const Marks& marks,
                   size_t begin, size_t end) {
  Detokenizer detokenizer(tokenizer, {.skip_special = false});
  for (size_t t = begin; t < end;) {
    const bool learned = sequence.learned[t] != 0;
    std::string run;
    for (; t < end && (sequence.learned[t] != 0) == learned; ++t) run += detokenizer.push(sequence.tokens[t]);
    if (t == end) run += detokenizer.finish();
    run = without_controls(run);
    if (learned) {
      out.append(marks.open).append(run).append(marks.close);
    } else {
      out += run;
    }
  }
}

}  // namespace

std::string preview(const TokenSequence& sequence, const Tokenizer& tokenizer, const PreviewStyle& style) {
  const size_t count = sequence.tokens.size();
  const size_t most = style.most;
  const Marks marks = marks_of(style);
  std::string out;
  if (count <= most) {
    append_tokens(out, sequence, tokenizer, marks, 0, count);
  } else {
    append_tokens(out, sequence, tokenizer, marks, 0, most / 2);
    out += fmt::format("\n… {} tokens …\n", count - most);
    append_tokens(out, sequence, tokenizer, marks, count - (most - most / 2), count);
  }
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

}  // namespace linnet
