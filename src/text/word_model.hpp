// What the merging models share: a word that is a token is one lookup, a word met before is a copy, a text without
// pre-tokenizer is cut where no merge can reach.
// Thread safety: const methods may be called from any thread (what is learned about a token is stored atomically).
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "text/token_model.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

class WordModel : public TokenModel {
 public:
  Status encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch& scratch,
                std::vector<int32_t>& out) const override;

 protected:
  // U+2581, which SentencePiece writes for a space.
  static constexpr std::string_view kSpaceMark = "\u2581";

  // Indexes `keys[id]`, the token as it appears in words; an empty key is no token.
  void index_words(const std::vector<std::string>& keys, bool all_whole);
  int32_t find_word(std::string_view word) const { return words_.find(word); }
  // From now on texts are cut before each run of U+2581.
  void cut_before_spaces() { cut_before_spaces_ = true; }

  // Appends the ids that merging gives for a word.
  virtual void merge_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const = 0;

 private:
  enum class Whole : uint8_t { kUnasked, kYes, kNo };

  void encode_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const;
  void encode_cut(std::string_view text, EncodeScratch& scratch, std::vector<int32_t>& out) const;
  void encode_rare(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const;
  bool is_whole(int32_t id, std::string_view word, EncodeScratch& scratch) const;

  std::string keys_;  // what words_ borrows
  PieceMap words_;
  bool cut_before_spaces_ = false;
  mutable std::vector<std::atomic<Whole>> whole_;  // by id: does merging the token's own text give the token?
};

}  // namespace linnet
