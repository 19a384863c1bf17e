#include "text/prompt_encoder.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr int kMaxDepth = 64;

Result<PromptMarks> unused_marks(const std::string& everything) {
  for (char32_t c = 0xFDD0; c < 0xFDEF; c += 2) {
    PromptMarks marks;
    append_utf8(marks.open, c);
    append_utf8(marks.close, c + 1);
    if (everything.find(marks.open) == std::string::npos && everything.find(marks.close) == std::string::npos)
      return marks;
  }
  return invalid("the conversation uses every one of Unicode's noncharacters", {}, "remove them");
}

void erase_all(std::string& text, const std::string& what) {
  std::string kept;
  size_t from = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, from)) {
    kept.append(text, from, at - from);
    from = at + what.size();
  }
  text = kept.append(text, from);
}

// A piece of a rendered text without marks inside; `written`: by a person, so special tokens in it are text.
struct Piece {
  TextSpan span;
  bool written = false;
};

std::vector<Piece> cut_at_marks(std::string_view text, const std::optional<PromptMarks>& marks) {
  std::vector<Piece> pieces;
  const auto add = [&](size_t begin, size_t end, bool written) {
    if (begin < end) pieces.push_back({{begin, end}, written});
  };
  if (!marks) {
    add(0, text.size(), false);
    return pieces;
  }
  for (size_t at = 0; at < text.size();) {
    const size_t open = std::min(text.find(marks->open, at), text.size());
    add(at, open, false);
    if (open == text.size()) break;
    const size_t begin = open + marks->open.size();
    const size_t close = std::min(text.find(marks->close, begin), text.size());
    add(begin, close, true);
    at = std::min(close + marks->close.size(), text.size());
  }
  return pieces;
}

}  // namespace

PromptEncoder::PromptEncoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(id) || tokenizer.piece(id).empty()) continue;
    special_.push_back(id);
    first_bytes_.set(static_cast<uint8_t>(tokenizer.piece(id).front()));
  }
  std::ranges::stable_sort(special_, std::ranges::greater(), [&](int32_t id) { return tokenizer.piece(id).size(); });
}

int32_t PromptEncoder::special_at_begin(std::string_view text) const {
  if (text.empty() || !first_bytes_.test(static_cast<uint8_t>(text.front()))) return kNoToken;
  const auto at = std::ranges::find_if(special_, [&](int32_t id) { return text.starts_with(tokenizer_->piece(id)); });
  return at == special_.end() ? kNoToken : *at;
}

int32_t PromptEncoder::special_at_end(std::string_view text) const {
  const auto at = std::ranges::find_if(special_, [&](int32_t id) { return text.ends_with(tokenizer_->piece(id)); });
  return at == special_.end() ? kNoToken : *at;
}

bool PromptEncoder::mark_text(std::string& text, const PromptMarks& marks) const {
  std::string out;
  size_t copied = 0;
  for (size_t at = 0; at < text.size();) {
    const int32_t id = special_at_begin(std::string_view(text).substr(at));
    if (id == kNoToken) {
      ++at;
      continue;
    }
    const std::string_view spelling = tokenizer_->piece(id);
    out.append(text, copied, at - copied).append(marks.open).append(spelling).append(marks.close);
    at += spelling.size();
    copied = at;
  }
  if (copied == 0) return false;
  text = out.append(text, copied);
  return true;
}

bool PromptEncoder::mark_all(Json& json, const PromptMarks& marks, int depth) const {
  if (depth > kMaxDepth) return false;
  bool found = false;
  if (json.is_string()) {
    found = mark_text(json.get_ref<std::string&>(), marks);
  } else if (json.is_structured()) {
    for (Json& item : json) found |= mark_all(item, marks, depth + 1);
  }
  return found;
}

Result<std::optional<PromptMarks>> PromptEncoder::mark(Json& json) const {
  TRY_ASSIGN(const PromptMarks marks, unused_marks(dump_json(json)));
  return mark_all(json, marks, 0) ? std::optional(marks) : std::nullopt;
}

Result<std::vector<int32_t>> PromptEncoder::encode(std::string_view rendered,
                                                   const std::optional<PromptMarks>& marks) const {
  TRY_ASSIGN(Encoded encoded, encode_spans(rendered, marks, {}));
  return std::move(encoded.tokens);
}

Result<PromptEncoder::Encoded> PromptEncoder::encode_spans(std::string_view rendered,
                                                           const std::optional<PromptMarks>& marks,
                                                           std::span<const TextSpan> spans) const {
  Encoded out;
  out.ranges.assign(spans.size(), {SIZE_MAX, 0});
  size_t first_open = 0;  // spans before it end before the piece at hand
  for (const Piece& piece : cut_at_marks(rendered, marks)) {
    const std::string_view part = rendered.substr(piece.span.begin, piece.span.end - piece.span.begin);
    const EncodeOptions options{.parse_special = !piece.written};
    TRY_ASSIGN(const std::vector<int32_t> ids, tokenizer_->encode(part, options));
    std::vector<TextSpan> inside;
    std::vector<size_t> numbers;
    while (first_open < spans.size() && spans[first_open].end <= piece.span.begin) ++first_open;
    for (size_t i = first_open; i < spans.size() && spans[i].begin < piece.span.end; ++i) {
      inside.push_back({std::max(spans[i].begin, piece.span.begin) - piece.span.begin,
                        std::min(spans[i].end, piece.span.end) - piece.span.begin});
      numbers.push_back(i);
    }
    if (!inside.empty()) {
      TRY_ASSIGN(const std::vector<TokenRange> ranges, tokens_in_spans(*tokenizer_, part, options, ids, inside));
      for (size_t i = 0; i < ranges.size(); ++i) {
        TokenRange& range = out.ranges[numbers[i]];
        range.begin = std::min(range.begin, out.tokens.size() + ranges[i].begin);
        range.end = std::max(range.end, out.tokens.size() + ranges[i].end);
      }
    }
    out.tokens.insert(out.tokens.end(), ids.begin(), ids.end());
  }
  for (TokenRange& range : out.ranges) {
    if (range.begin > range.end) range = {0, 0};  // nothing of it is text
  }
  return out;
}

std::string PromptEncoder::without_marks(std::string rendered, const std::optional<PromptMarks>& marks) {
  if (!marks) return rendered;
  erase_all(rendered, marks->open);
  erase_all(rendered, marks->close);
  return rendered;
}

}  // namespace linnet
