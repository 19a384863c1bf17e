// Reads the text of a tokenizer.json: the large lists straight into vectors, the rest into a Json.
//
// (A vocabulary as a Json object of 150,000 ordered keys would take minutes: Json finds keys by looking at each.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "text/bpe.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

struct TokenizerJson {
  Json rest;                           // everything else; model.vocab and model.merges are absent from it
  std::vector<VocabularyEntry> vocab;  // model.vocab, in the file's order
  std::vector<double> scores;          // of a unigram vocab, one for each entry
  MergeList merges;                    // model.merges, both spellings
  bool has_merges = false;
};

// Errors: bad JSON, nesting deeper than kMaxJsonDepth, objects of thousands of keys where none belong, a vocab or
// merges of another shape.
Result<TokenizerJson> read_tokenizer_json(std::string_view text, const std::string& place);

}  // namespace linnet
