// Byte-pair encoding as SentencePiece does it (google/sentencepiece, bpe_model.cc): neighbours whose text together is a
// token are merged, the token with the highest score first, the leftmost of equal ones. Also llama.cpp's "llama"
// tokenizer, which is the same over another set of tokens.
//
// Thread safety: const methods may be called from any thread.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "text/vocabulary.hpp"
#include "text/word_model.hpp"

namespace linnet {

struct ScoreBpeOptions {
  std::vector<float> scores;    // by id
  std::vector<bool> mergeable;  // by id: may merging give it?
  std::vector<bool> unused;     // by id: merged, then taken apart again; empty: none
  int32_t unk = kNoToken;       // a character without a token; a run of them is one token
  bool byte_fallback = false;   // its bytes' "<0x..>" tokens instead, where there are all
};

class ScoreBpeModel : public WordModel {
 public:
  ScoreBpeModel(const Vocabulary& vocabulary, ScoreBpeOptions options);

 protected:
  void merge_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const override;

 private:
  // Of unused tokens: where the two halves of the last candidate for each met.
  using Splits = std::unordered_map<std::string_view, size_t>;

  void find_safe_splits(const Vocabulary& vocabulary);
  int32_t find_merge(std::string_view both) const;
  void merge_short(std::string_view word, std::vector<uint32_t>& starts, Splits& splits) const;
  void merge_long(std::string_view word, EncodeScratch& scratch, Splits& splits) const;
  void write(std::string_view symbol, const Splits& splits, int depth, bool& after_unknown,
             std::vector<int32_t>& out) const;

  ScoreBpeOptions options_;
  size_t longest_ = 0;  // bytes of the longest token that merging may give
  std::array<int32_t, 256> byte_tokens_{};
};

}  // namespace linnet
