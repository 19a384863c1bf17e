// What a Tokenizer is made of. Loaders fill it; only text/ looks inside.
#pragma once

#include <bitset>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/decoder.hpp"
#include "text/normalizer.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/token_model.hpp"
#include "text/tokenizer.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

// How a piece spells its bytes.
enum class PieceSpelling { kPlain, kByteLetters, kSpaceMark };

// What the way back to a file needs and the parts no longer show.
struct TokenizerSource {
  std::string gguf_model;             // tokenizer.ggml.model; empty: llama.cpp has none like it
  std::string gguf_pre;               // tokenizer.ggml.pre, where the tokenizer came from GGUF
  std::vector<std::string> patterns;  // of the pre-tokenizers, as regular expressions
  bool ignore_merges = false;
  bool gguf_spelling = false;  // WordPiece: "▁the" and "ing", not "the" and "##ing"
  bool add_space_prefix = false;
  bool remove_extra_whitespaces = false;
  bool byte_fallback = false;
  bool lowercase = true;
  bool strip_accents = true;
  std::vector<float> scores;  // by id
  std::string charsmap;
};

// What becomes of bytes that are no UTF-8.
enum class InvalidUtf8 {
  kReplaced,    // U+FFFD, for each maximal subpart
  kNormalized,  // the normalizer makes one U+FFFD of each byte (SentencePiece)
  kKept,        // the model works on bytes: they pass where it holds them
};

struct TokenizerParts {
  Vocabulary vocabulary;
  std::vector<bool> special_ids;  // by id: skipped by decode
  SpecialIds special;
  std::vector<int32_t> end_ids;

  AddedTokenMatcher added;             // looked for in the text as it comes
  AddedTokenMatcher added_normalized;  // looked for once it is normalised
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  std::unique_ptr<TokenModel> model;
  std::vector<int32_t> prefix;  // of add_special
  std::vector<int32_t> suffix;
  DecoderStages decoders;
  // Pieces that decoding spells otherwise than the vocabulary: added tokens that are looked for in normalised text.
  std::unordered_map<int32_t, std::string> decoded_as;

  PieceSpelling spelling = PieceSpelling::kPlain;
  bool literal_specials = false;  // special pieces are plain text, whatever `spelling` says (GGUF)
  bool skipped_is_piece = false;  // a skipped token parts the bytes around it (SentencePiece: it is an empty piece)
  InvalidUtf8 invalid_utf8 = InvalidUtf8::kReplaced;
  std::bitset<256> held_bytes;  // kKept: those that the model has tokens for
  std::string algorithm;
  TokenizerSource source;
};

// Fills special.eot where a token is known by name to end a turn, and end_ids.
void find_end_tokens(TokenizerParts& parts);

}  // namespace linnet
