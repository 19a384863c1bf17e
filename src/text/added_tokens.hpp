// Tokens that are found in the text before anything else looks at it: special tokens, and words that were added to a
// finished vocabulary.
// Thread safety: const methods may be called from any thread. Ownership: copies the texts.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/token_model.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;      // found only where the caller asks for special tokens
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and behind it
  bool normalized = false;   // looked for in the normalised text
};

// Which of two overlapping tokens is taken.
enum class AddedTokenOrder {
  kLeftmost,  // Hugging Face: the one that begins first, the longest of those
  kLongest,   // llama.cpp: the longest in the whole text first
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  // Tokens with an empty content are ignored; of two with the same content the first counts.
  AddedTokenMatcher(std::vector<AddedToken> tokens, AddedTokenOrder order);

  bool empty() const { return tokens_.empty(); }

  struct Piece {
    TextSpan span;
    int32_t id = kNoToken;  // kNoToken: text
  };
  // `text` cut into tokens and the text between them, in order; nothing for an empty text. Linear in the text, times
  // the number of tokens that begin each other.
  std::vector<Piece> split(std::string_view text, bool parse_special) const;

  // Bytes of the longest token that `text` begins with, or 0.
  size_t longest_prefix(std::string_view text) const;

 private:
  // A trie of the contents in an array of sorted edges.
  struct Node {
    uint32_t first_edge = 0;
    uint32_t edges = 0;
    int32_t token = -1;  // index in tokens_ of the token that ends here
  };
  struct Edge {
    uint8_t label = 0;
    uint32_t target = 0;
  };

  void build_trie();
  int32_t longest_at(std::string_view text, size_t at) const;
  bool usable(int32_t token, bool parse_special) const {
    return parse_special || !tokens_[static_cast<size_t>(token)].special;
  }
  std::vector<Piece> split_leftmost(std::string_view text, bool parse_special) const;
  std::vector<Piece> split_longest(std::string_view text, bool parse_special) const;

  std::vector<AddedToken> tokens_;
  std::vector<int32_t> shorter_;  // by token: the next shorter token that begins it, or -1
  AddedTokenOrder order_ = AddedTokenOrder::kLeftmost;
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::bitset<256> first_bytes_;
};

}  // namespace linnet
