// SentencePiece's own normalizer (google/sentencepiece, normalizer.cc), and llama.cpp's reading of it for T5 models.
// Thread safety: immutable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/normalizer.hpp"

namespace linnet {

struct SentencePieceNormalization {
  CharsMap map;
  std::vector<std::string> verbatim;  // user-defined symbols: copied as they are
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;  // a space becomes U+2581
  bool whitespace_as_suffix = false;
};

// Invalid UTF-8 becomes one U+FFFD for each byte.
std::unique_ptr<Normalizer> sentencepiece_normalizer(SentencePieceNormalization options);

// llama.cpp's "t5" tokenizer: a space before the text, or, with remove_extra_whitespaces, one before each word.
std::unique_ptr<Normalizer> llama_cpp_unigram_normalizer(SentencePieceNormalization options);

}  // namespace linnet
