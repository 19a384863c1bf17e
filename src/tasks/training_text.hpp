// What a model is trained from nothing on: a text, the tokenizer that cuts it, and its tokens in a cache.
//
//   ROOT/<hash of text and tokenizer>/   tokenizer.json, tokenizer_config.json, train.tokens, held_out.tokens
//
// ROOT is cache_dir()/training: it can be deleted at any time. Thread safety: one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "tasks/runtime.hpp"
#include "tasks/token_stream.hpp"

namespace linnet {

struct TrainingTextSettings {
  std::vector<std::string> paths;     // as TextCorpus::open takes them
  std::vector<std::string> held_out;  // the same; empty: a part of `paths`
  std::string field = "text";
  // "characters"; "bpe", "bpe:SIZE", "unigram" or "unigram:SIZE", which are learned from the text; a tokenizer.json or
  // a folder with one; a model, whose tokenizer is taken.
  std::string tokenizer = "characters";
};

struct TrainingText {
  std::string digest;            // SHA-256 of the texts
  uint64_t bytes = 0;            // of the texts
  std::string tokenizer_json;    // what tokenizer.json says
  std::string tokenizer_config;  // what tokenizer_config.json says; may be empty
  Tokenizer tokenizer;
  TokenStream train;
  std::optional<TokenStream> held_out;  // where `held_out` named some

  // Errors: those of reading, of the tokenizer, and of a text without a token; kCancelled.
  static Result<TrainingText> prepare(const TrainingTextSettings& settings, Runtime& runtime, const CancelToken& cancel,
                                      const ProgressCallback& progress);
};

}  // namespace linnet
