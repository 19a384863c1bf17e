// tokenizer.model of SentencePiece: the protobuf ModelProto, read by hand (sentencepiece_model.proto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// What is read of a ModelProto.
struct SentencePieceModel {
  enum class Type { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

  struct Piece {
    std::string text;
    float score = 0;
    TokenKind kind = TokenKind::kNormal;
  };

  std::vector<Piece> pieces;
  Type type = Type::kUnigram;
  bool byte_fallback = false;
  bool whitespace_as_suffix = false;
  int32_t unk = 0;
  int32_t bos = 1;
  int32_t eos = 2;
  int32_t pad = -1;
  std::string charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Errors: fields that end after the file does, wrong wire types, kinds and ids out of range, scores that are not
// finite.
Result<SentencePieceModel> read_sentencepiece(std::string_view bytes, const std::string& place);

struct SentencePieceLoadOptions {
  bool add_bos = true;  // what add_special adds; the file does not say
  bool add_eos = false;
};

// The tokenizer of a tokenizer.model. Special tokens that the text asks for (parse_special) are cut out before
// normalisation, which sentencepiece itself never does.
Result<Tokenizer> load_sentencepiece(std::string_view bytes, const std::string& place,
                                     const SentencePieceLoadOptions& options = {});

}  // namespace linnet
