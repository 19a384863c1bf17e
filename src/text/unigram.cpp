#include "text/unigram.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <type_traits>

#include "base/utf8.hpp"

namespace linnet {

Result<std::unique_ptr<UnigramModel>> UnigramModel::build(const Vocabulary& vocabulary, UnigramOptions options,
                                                          std::string_view place) {
  std::unique_ptr<UnigramModel> model(new UnigramModel);  // NOLINT: the constructor is private
  std::vector<std::pair<std::string_view, int32_t>> keys;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!options.used[static_cast<size_t>(id)]) continue;
    const std::string_view piece = vocabulary.piece(id);
    if (piece.size() > kMaxToken) {
      return unsupported(fmt::format("token {} has {} bytes, more than {}", id, piece.size(), kMaxToken),
                         std::string(place));
    }
    keys.emplace_back(piece, id);
  }
  model->options_ = std::move(options);
  model->trie_ = Trie(std::move(keys));
  for (size_t byte = 0; byte < 256; ++byte) {
    model->byte_tokens_[byte] = vocabulary.find(fmt::format("<0x{:02X}>", byte));
  }
  return model;
}

Status UnigramModel::encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch&,
                            std::vector<int32_t>& out) const {
  std::vector<Node<float>> singles;
  std::vector<Node<double>> doubles;
  for (const TextSpan& span : words) {
    const std::string_view word = text.substr(span.begin, span.end - span.begin);
    TRY(options_.single_precision ? encode_word(word, singles, out) : encode_word(word, doubles, out));
  }
  return ok_status();
}

// Of long texts a float's digits would no longer tell the paths apart (sentencepiece 0.2.3, EncodeOptimized).
void UnigramModel::begin_anew(std::span<Node<float>> nodes) {
  constexpr float kMostFloatSum = 100'000.0f;
  const float sum = nodes[0].score;
  if (std::abs(sum) <= kMostFloatSum) return;
  for (Node<float>& node : nodes) {
    if (node.length > 0) node.score -= sum;
  }
}

template <class Score>
Status UnigramModel::encode_word(std::string_view word, std::vector<Node<Score>>& nodes,
                                 std::vector<int32_t>& out) const {
  nodes.assign(word.size() + 1, {});
  size_t reached = 0;  // the last node that has a path
  const auto reach = [&](size_t end, size_t length, double score, int32_t id) {
    Node<Score>& node = nodes[end];
    reached = std::max(reached, end);
    const auto rounded = static_cast<Score>(score);
    if (node.length == 0 || rounded > node.score) node = {rounded, static_cast<uint32_t>(length), id};
  };
  for (size_t at = 0; at < word.size();) {
    if constexpr (std::is_same_v<Score, float>)
      begin_anew(std::span(nodes).subspan(at, std::max(reached, at) - at + 1));
    const double so_far = static_cast<double>(nodes[at].score);
    const auto character =
        static_cast<uint8_t>(word[at]) < 0x80 ? size_t{1} : static_cast<size_t>(decode_utf8(word.substr(at)).length);
    bool single = false;
    uint32_t node = Trie::kRoot;
    for (size_t end = at; end < word.size() && trie_.step(node, static_cast<uint8_t>(word[end]));) {
      ++end;
      const int32_t id = trie_.value(node);
      if (id == Trie::kNone) continue;
      reach(end, end - at, so_far + options_.scores[static_cast<size_t>(id)], id);
      single |= end - at == character;
    }
    if (!single) reach(at + character, character, so_far + options_.unk_score, options_.unk);
    at += character;
  }
  // The best path, last token first; neighbouring unknown characters are one.
  const size_t first = out.size();
  std::vector<std::string_view> unknown;
  for (size_t end = word.size(); end > 0;) {
    const Node<Score>& node = nodes[end];
    size_t begin = end - node.length;
    if (node.id != options_.unk) {
      out.push_back(node.id);
    } else {
      while (begin > 0 && nodes[begin].id == options_.unk) begin -= nodes[begin].length;
      out.push_back(-2 - static_cast<int32_t>(unknown.size()));
      unknown.push_back(word.substr(begin, end - begin));
    }
    end = begin;
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  if (unknown.empty()) return ok_status();
  const std::vector<int32_t> path(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  out.resize(first);
  for (const int32_t id : path) {
    if (id >= 0) {
      out.push_back(id);
    } else {
      TRY(write_unknown(unknown[static_cast<size_t>(-2 - id)], out));
    }
  }
  return ok_status();
}

int32_t UnigramModel::spelled(std::string_view text) const {
  uint32_t node = Trie::kRoot;
  for (const char byte : text) {
    if (!trie_.step(node, static_cast<uint8_t>(byte))) return Trie::kNone;
  }
  return trie_.value(node);
}

Status UnigramModel::write_unknown(std::string_view text, std::vector<int32_t>& out) const {
  if (options_.look_up_unknown) {
    if (const int32_t id = spelled(text); id != Trie::kNone) {
      out.push_back(id);
      return ok_status();
    }
  }
  const auto token_of = [&](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
  if (options_.byte_fallback &&
      std::all_of(text.begin(), text.end(), [&](char byte) { return token_of(byte) != kNoToken; })) {
    for (const char byte : text) out.push_back(token_of(byte));
    return ok_status();
  }
  if (options_.unk == kNoToken) {
    return invalid(fmt::format("{:?} has no token, and the vocabulary has no unknown token", text.substr(0, 40)), {},
                   "the tokenizer does not cover this text");
  }
  out.push_back(options_.unk);
  return ok_status();
}

}  // namespace linnet
