// Models that look words up: WordPiece (Schuster and Nakajima 2012; BERT), whole words, characters.
// Thread safety: const methods may be called from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/token_model.hpp"
#include "text/trie.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

struct WordPieceOptions {
  int32_t unk = kNoToken;
  std::string continuing_prefix = "##";  // of pieces that do not begin a word
  std::string word_prefix;               // of pieces that do (GGUF's U+2581)
  size_t max_characters = 100;           // longer words are unknown; 0: no limit
};

// The longest piece from the left, again and again; a word that cannot be cut so is unknown.
class WordPieceModel : public TokenModel {
 public:
  // Errors: no unknown token, a piece longer than 4096 bytes.
  static Result<std::unique_ptr<WordPieceModel>> build(const Vocabulary& vocabulary, const std::vector<bool>& in_model,
                                                       WordPieceOptions options, std::string_view place);

  Status encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch& scratch,
                std::vector<int32_t>& out) const override;

 private:
  WordPieceModel() = default;
  bool encode_word(std::string_view word, std::vector<int32_t>& out) const;

  WordPieceOptions options_;
  Trie first_;
  Trie rest_;
};

// A word is a token or it is unknown. Without an unknown token such words are errors.
class WordLevelModel : public TokenModel {
 public:
  enum class Unit {
    kWord,           // each word that it is given (Hugging Face's WordLevel)
    kSentencePiece,  // the same, but a run of unknown words is one token
    kCharacter,      // each character; a run of unknown ones is one token (SentencePiece's char models)
  };

  WordLevelModel(const Vocabulary& vocabulary, const std::vector<bool>& in_model, int32_t unk, Unit unit);

  Status encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch& scratch,
                std::vector<int32_t>& out) const override;

 private:
  Status write(std::string_view word, bool& after_unknown, std::vector<int32_t>& out) const;

  std::string keys_;
  PieceMap words_;
  int32_t unk_;
  Unit unit_;
};

}  // namespace linnet
