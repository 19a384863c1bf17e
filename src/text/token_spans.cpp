#include "text/token_spans.hpp"

#include <algorithm>
#include <optional>

namespace linnet {

namespace {

constexpr uint64_t kMostEncodedAnew = 256 << 20;

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Where each token begins, and text.size(); nullopt where the tokens' bytes are not those of the text. Special tokens
// may take the white space around them with them, and SentencePiece begins a text with a space of its own.
std::optional<std::vector<size_t>> lay_beside(const Tokenizer& tokenizer, std::string_view text,
                                              std::span<const int32_t> ids) {
  std::vector<size_t> begins;
  begins.reserve(ids.size() + 1);
  size_t at = 0;
  bool after_special = false;
  for (const int32_t id : ids) {
    const std::string bytes = tokenizer.token_bytes(id);
    const bool literal = tokenizer.kind(id) != TokenKind::kNormal && tokenizer.kind(id) != TokenKind::kByte;
    const std::string_view rest = text.substr(at);
    size_t length = bytes.size();
    if (!rest.starts_with(bytes)) {
      const std::string_view shorter = bytes.empty() ? std::string_view() : std::string_view(bytes).substr(1);
      size_t spaces = 0;
      while (spaces < rest.size() && is_space(rest[spaces])) ++spaces;
      if (bytes.starts_with(' ') && rest.starts_with(shorter)) {
        length = shorter.size();  // the space that is put before a text
      } else if ((literal || after_special) && spaces > 0 && rest.substr(spaces).starts_with(bytes)) {
        length += spaces;
      } else {
        return std::nullopt;
      }
    }
    begins.push_back(at);
    at += length;
    after_special = literal;
  }
  while (after_special && at < text.size() && is_space(text[at])) ++at;
  if (at != text.size()) return std::nullopt;
  begins.push_back(at);
  return begins;
}

// The tokens before byte `edge`, and whether the one that follows them stands across it.
struct Edge {
  size_t tokens = 0;
  bool across = false;
};

Result<Edge> encode_to(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options,
                       std::span<const int32_t> ids, size_t edge) {
  if (edge >= text.size()) return Edge{ids.size(), false};
  TRY_ASSIGN(const std::vector<int32_t> head, tokenizer.encode(text.substr(0, edge), options));
  Edge found;
  while (found.tokens < head.size() && found.tokens < ids.size() && head[found.tokens] == ids[found.tokens]) {
    ++found.tokens;
  }
  found.across = found.tokens < head.size() && found.tokens < ids.size();
  return found;
}

}  // namespace

Result<std::vector<TokenRange>> tokens_in_spans(const Tokenizer& tokenizer, std::string_view text,
                                                const EncodeOptions& options, std::span<const int32_t> ids,
                                                std::span<const TextSpan> spans) {
  std::vector<TokenRange> ranges;
  ranges.reserve(spans.size());
  if (const auto begins = lay_beside(tokenizer, text, ids)) {
    for (const TextSpan& span : spans) {
      // The token that holds byte `begin` is the last that begins at or before it; tokens of no bytes come before.
      const auto first = std::upper_bound(begins->begin(), begins->end() - 1, span.begin);
      const auto past = std::lower_bound(begins->begin(), begins->end() - 1, span.end);
      const auto begin = static_cast<size_t>(first - begins->begin());
      const auto end = static_cast<size_t>(past - begins->begin());
      ranges.push_back({begin > 0 ? begin - 1 : 0, span.begin == span.end ? (begin > 0 ? begin - 1 : 0) : end});
    }
    return ranges;
  }
  if (uint64_t{2} * spans.size() * text.size() > kMostEncodedAnew) {
    return unsupported("the tokenizer changes the text, which is too long to find its parts in the tokens", {},
                       "cut the conversation in shorter ones");
  }
  for (const TextSpan& span : spans) {
    TRY_ASSIGN(const Edge begin, encode_to(tokenizer, text, options, ids, span.begin));
    TRY_ASSIGN(const Edge end, encode_to(tokenizer, text, options, ids, span.end));
    const size_t past = end.tokens + (end.across ? 1 : 0);
    ranges.push_back({begin.tokens, span.begin == span.end ? begin.tokens : std::max(past, begin.tokens)});
  }
  return ranges;
}

}  // namespace linnet
