#include "text/added_tokens.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace linnet {

namespace {

// The last character of `text`, which is not empty.
Utf8Step last_character(std::string_view text) {
  const size_t longest = std::min<size_t>(4, text.size());
  for (size_t back = 1; back <= longest; ++back) {
    const Utf8Step step = decode_utf8(text.substr(text.size() - back));
    if (step.valid && step.length == static_cast<int>(back)) return step;
  }
  return {kReplacementCharacter, 1, false};
}

bool stands_alone(std::string_view text, const TextSpan& span) {
  if (span.begin > 0 && is_word_character(last_character(text.substr(0, span.begin)).code_point)) return false;
  return span.end == text.size() || !is_word_character(decode_utf8(text.substr(span.end)).code_point);
}

// Where the white space before `at` begins, not before `floor`.
size_t space_before(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    const Utf8Step step = last_character(text.substr(floor, at - floor));
    if (!(CharTable::get().flags(step.code_point) & kWhiteSpace)) break;
    at -= static_cast<size_t>(step.length);
  }
  return at;
}

// isspace() in the C locale, which llama.cpp asks.
bool is_c_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

size_t space_after(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(at));
    if (!(CharTable::get().flags(step.code_point) & kWhiteSpace)) break;
    at += static_cast<size_t>(step.length);
  }
  return at;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens, AddedTokenOrder order) : order_(order) {
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (AddedToken& token : tokens) {
    const bool repeated = !tokens_.empty() && tokens_.back().content == token.content;
    if (!token.content.empty() && !repeated) tokens_.push_back(std::move(token));
  }
  if (!tokens_.empty()) build_trie();
}

// tokens_ is sorted, so every node is a range of it: nodes are made breadth first, each edge a sub-range.
void AddedTokenMatcher::build_trie() {
  struct Range {
    size_t begin, end, depth;
    int32_t prefix;  // the longest token that is a prefix of all of the range
  };
  shorter_.assign(tokens_.size(), -1);
  std::vector<Range> ranges{{0, tokens_.size(), 0, -1}};
  nodes_.push_back({});
  for (size_t at = 0; at < ranges.size(); ++at) {
    const Range range = ranges[at];
    size_t i = range.begin;
    int32_t prefix = range.prefix;
    if (tokens_[i].content.size() == range.depth) {
      nodes_[at].token = static_cast<int32_t>(i);
      shorter_[i] = prefix;
      prefix = static_cast<int32_t>(i);
      ++i;
    }
    nodes_[at].first_edge = static_cast<uint32_t>(edges_.size());
    while (i < range.end) {
      const char label = tokens_[i].content[range.depth];
      size_t end = i + 1;
      while (end < range.end && tokens_[end].content[range.depth] == label) ++end;
      edges_.push_back({static_cast<uint8_t>(label), static_cast<uint32_t>(ranges.size())});
      ranges.push_back({i, end, range.depth + 1, prefix});
      nodes_.push_back({});
      i = end;
    }
    nodes_[at].edges = static_cast<uint32_t>(edges_.size()) - nodes_[at].first_edge;
  }
  for (uint32_t i = 0; i < nodes_[0].edges; ++i) first_bytes_.set(edges_[nodes_[0].first_edge + i].label);
}

int32_t AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  int32_t found = -1;
  const Node* node = &nodes_[0];
  for (; at < text.size(); ++at) {
    const auto label = static_cast<uint8_t>(text[at]);
    const auto begin = edges_.begin() + node->first_edge;
    const auto end = begin + node->edges;
    const auto edge = std::lower_bound(begin, end, label, [](const Edge& e, uint8_t value) { return e.label < value; });
    if (edge == end || edge->label != label) break;
    node = &nodes_[edge->target];
    if (node->token >= 0) found = node->token;
  }
  return found;
}

size_t AddedTokenMatcher::longest_prefix(std::string_view text) const {
  if (tokens_.empty() || text.empty() || !first_bytes_[static_cast<uint8_t>(text[0])]) return 0;
  const int32_t token = longest_at(text, 0);
  return token < 0 ? 0 : tokens_[static_cast<size_t>(token)].content.size();
}

std::vector<AddedTokenMatcher::Piece> AddedTokenMatcher::split(std::string_view text, bool parse_special) const {
  if (text.empty()) return {};
  if (tokens_.empty()) return {{{0, text.size()}, kNoToken}};
  return order_ == AddedTokenOrder::kLeftmost ? split_leftmost(text, parse_special)
                                              : split_longest(text, parse_special);
}

std::vector<AddedTokenMatcher::Piece> AddedTokenMatcher::split_leftmost(std::string_view text,
                                                                        bool parse_special) const {
  std::vector<Piece> pieces;
  size_t written = 0;
  for (size_t at = 0; at < text.size();) {
    const int32_t found = first_bytes_[static_cast<uint8_t>(text[at])] ? longest_at(text, at) : -1;
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    TextSpan span{at, at + token.content.size()};
    at = span.end;
    // A match that is not wanted is passed over whole: what Hugging Face does.
    if (!usable(found, parse_special) || (token.single_word && !stands_alone(text, span))) continue;
    if (token.lstrip) span.begin = space_before(text, span.begin, written);
    if (token.rstrip) span.end = space_after(text, span.end);
    span.begin = std::max(span.begin, written);
    if (span.begin > written) pieces.push_back({{written, span.begin}, kNoToken});
    pieces.push_back({span, token.id});
    written = std::max(written, span.end);
  }
  if (written < text.size()) pieces.push_back({{written, text.size()}, kNoToken});
  return pieces;
}

// Tokens in order of length, the longest first; each takes every place that is still free, left to right. A place where
// the longest does not fit is tried again with the next shorter token that begins there.
std::vector<AddedTokenMatcher::Piece> AddedTokenMatcher::split_longest(std::string_view text,
                                                                       bool parse_special) const {
  struct Place {
    size_t at;
    int32_t token;
  };
  const auto next_usable = [&](int32_t token) {
    while (token >= 0 && !usable(token, parse_special)) token = shorter_[static_cast<size_t>(token)];
    return token;
  };
  const auto length = [&](int32_t token) { return tokens_[static_cast<size_t>(token)].content.size(); };
  std::map<size_t, std::vector<Place>, std::greater<>> by_length;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!first_bytes_[static_cast<uint8_t>(text[at])]) continue;
    const int32_t token = next_usable(longest_at(text, at));
    if (token >= 0) by_length[length(token)].push_back({at, token});
  }
  if (by_length.empty()) return {{{0, text.size()}, kNoToken}};
  std::vector<Piece> taken;
  std::vector<bool> covered(text.size(), false);
  while (!by_length.empty()) {
    auto bucket = by_length.extract(by_length.begin());
    std::vector<Place>& places = bucket.mapped();
    std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
      const int32_t left = tokens_[static_cast<size_t>(a.token)].id;
      const int32_t right = tokens_[static_cast<size_t>(b.token)].id;
      return left != right ? left < right : a.at < b.at;
    });
    for (const Place& place : places) {
      if (covered[place.at]) continue;
      const size_t end = place.at + bucket.key();
      // Everything taken so far is at least as long, so a free first and last byte leave nothing covered between.
      if (!covered[end - 1]) {
        const AddedToken& token = tokens_[static_cast<size_t>(place.token)];
        size_t after = end;
        while (token.rstrip && after < text.size() && !covered[after] && is_c_space(text[after])) ++after;
        std::fill(covered.begin() + static_cast<std::ptrdiff_t>(place.at),
                  covered.begin() + static_cast<std::ptrdiff_t>(after), true);
        taken.push_back({{place.at, after}, token.id});
      } else if (const int32_t shorter = next_usable(shorter_[static_cast<size_t>(place.token)]); shorter >= 0) {
        by_length[length(shorter)].push_back({place.at, shorter});
      }
    }
  }
  std::sort(taken.begin(), taken.end(), [](const Piece& a, const Piece& b) { return a.span.begin < b.span.begin; });
  std::vector<Piece> pieces;
  size_t written = 0;
  for (const Piece& piece : taken) {
    if (piece.span.begin > written) pieces.push_back({{written, piece.span.begin}, kNoToken});
    pieces.push_back(piece);
    written = piece.span.end;
  }
  if (written < text.size()) pieces.push_back({{written, text.size()}, kNoToken});
  return pieces;
}

}  // namespace linnet
