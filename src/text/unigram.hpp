// Unigram language model tokenization (Kudo 2018, arXiv:1804.10959): of all ways to cut a word into tokens, the one
// whose scores sum highest, by Viterbi over a trie. Linear in the text, times the length of the longest token. Thread
// safety: const methods may be called from any thread.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/token_model.hpp"
#include "text/trie.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

struct UnigramOptions {
  std::vector<double> scores;    // by id
  std::vector<bool> used;        // by id: may a text be cut into it?
  double unk_score = 0;          // of a character without a token
  int32_t unk = kNoToken;        // a run of such characters is one token
  bool byte_fallback = false;    // its bytes' "<0x..>" tokens instead, where there are all
  bool look_up_unknown = false;  // a run that spells a token is that token: Hugging Face's way with "<unk>" in a text
  // Sums are rounded to float, and begin anew at 0 once they pass kMostFloatSum: what sentencepiece does.
  bool single_precision = false;
};

class UnigramModel : public TokenModel {
 public:
  static constexpr size_t kMaxToken = 4096;  // bytes

  // Errors: a token longer than kMaxToken, which would make every text slow.
  static Result<std::unique_ptr<UnigramModel>> build(const Vocabulary& vocabulary, UnigramOptions options,
                                                     std::string_view place);

  Status encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch& scratch,
                std::vector<int32_t>& out) const override;

 private:
  // The best way to reach a position.
  template <class Score>
  struct Node {
    Score score = 0;
    uint32_t length = 0;  // bytes of the token that ends here; 0: not reached
    int32_t id = kNoToken;
  };

  UnigramModel() = default;
  static void begin_anew(std::span<Node<float>> nodes);
  template <class Score>
  Status encode_word(std::string_view word, std::vector<Node<Score>>& nodes, std::vector<int32_t>& out) const;
  int32_t spelled(std::string_view text) const;  // the token that is this text, or Trie::kNone
  Status write_unknown(std::string_view text, std::vector<int32_t>& out) const;

  UnigramOptions options_;
  Trie trie_;
  std::array<int32_t, 256> byte_tokens_{};
};

}  // namespace linnet
