#include "text/word_pieces.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"

namespace linnet {

namespace {

constexpr size_t kMaxPiece = 4096;

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (const char byte : text) count += (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
  return count;
}

}  // namespace

Result<std::unique_ptr<WordPieceModel>> WordPieceModel::build(const Vocabulary& vocabulary,
                                                              const std::vector<bool>& in_model,
                                                              WordPieceOptions options, std::string_view place) {
  if (options.unk == kNoToken) return invalid("the unknown token is not in the vocabulary", std::string(place));
  std::unique_ptr<WordPieceModel> model(new WordPieceModel);  // NOLINT: the constructor is private
  std::vector<std::pair<std::string_view, int32_t>> first;
  std::vector<std::pair<std::string_view, int32_t>> rest;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!in_model[static_cast<size_t>(id)]) continue;
    const std::string_view piece = vocabulary.piece(id);
    if (piece.size() > kMaxPiece) {
      return unsupported(fmt::format("token {} has {} bytes, more than {}", id, piece.size(), kMaxPiece),
                         std::string(place));
    }
    if (piece.starts_with(options.word_prefix)) first.emplace_back(piece.substr(options.word_prefix.size()), id);
    if (piece.starts_with(options.continuing_prefix)) {
      rest.emplace_back(piece.substr(options.continuing_prefix.size()), id);
    }
  }
  model->first_ = Trie(std::move(first));
  model->rest_ = Trie(std::move(rest));
  model->options_ = std::move(options);
  return model;
}

Status WordPieceModel::encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch&,
                              std::vector<int32_t>& out) const {
  for (const TextSpan& span : words) {
    const std::string_view word = text.substr(span.begin, span.end - span.begin);
    const size_t before = out.size();
    const bool too_long = options_.max_characters > 0 && word.size() > options_.max_characters &&
                          count_characters(word) > options_.max_characters;
    if (too_long || !encode_word(word, out)) {
      out.resize(before);
      out.push_back(options_.unk);
    }
  }
  return ok_status();
}

bool WordPieceModel::encode_word(std::string_view word, std::vector<int32_t>& out) const {
  for (size_t at = 0; at < word.size();) {
    const Trie& trie = at == 0 ? first_ : rest_;
    uint32_t node = Trie::kRoot;
    int32_t longest = kNoToken;
    size_t after = at;
    for (size_t end = at; end < word.size() && trie.step(node, static_cast<uint8_t>(word[end]));) {
      ++end;
      if (trie.value(node) == Trie::kNone) continue;
      longest = trie.value(node);
      after = end;
    }
    if (longest == kNoToken) return false;
    out.push_back(longest);
    at = after;
  }
  return true;
}

WordLevelModel::WordLevelModel(const Vocabulary& vocabulary, const std::vector<bool>& in_model, int32_t unk, Unit unit)
    : unk_(unk), unit_(unit) {
  size_t bytes = 0;
  for (int32_t id = 0; id < vocabulary.size(); ++id) bytes += vocabulary.piece(id).size();
  keys_.reserve(bytes);  // words_ points into it
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!in_model[static_cast<size_t>(id)]) continue;
    const size_t start = keys_.size();
    keys_ += vocabulary.piece(id);
    words_.insert(std::string_view(keys_).substr(start), id);
  }
}

Status WordLevelModel::encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch&,
                              std::vector<int32_t>& out) const {
  bool after_unknown = false;
  for (const TextSpan& span : words) {
    const std::string_view word = text.substr(span.begin, span.end - span.begin);
    if (unit_ != Unit::kCharacter) {
      after_unknown &= unit_ == Unit::kSentencePiece;
      TRY(write(word, after_unknown, out));
      continue;
    }
    for (size_t at = 0; at < word.size();) {
      const auto length = static_cast<size_t>(decode_utf8(word.substr(at)).length);
      TRY(write(word.substr(at, length), after_unknown, out));
      at += length;
    }
  }
  return ok_status();
}

Status WordLevelModel::write(std::string_view word, bool& after_unknown, std::vector<int32_t>& out) const {
  const int32_t id = words_.find(word);
  if (id == kNoToken && unk_ == kNoToken) {
    return invalid(fmt::format("{:?} has no token, and the vocabulary has no unknown token", word.substr(0, 40)), {},
                   "the tokenizer does not cover this text");
  }
  if (id != kNoToken || !after_unknown) out.push_back(id == kNoToken ? unk_ : id);
  after_unknown = id == kNoToken;
  return ok_status();
}

}  // namespace linnet
