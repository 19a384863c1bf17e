// Replies that need no model: what a taught one must beat.
// Thread safety: const methods, pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/term_weights.hpp"

namespace linnet {

// The known pair whose source shares most with a phrase, by the cosine of their weighted words
// (train/term_weights.hpp).
class NearestPair {
 public:
  // Two lists of one length.
  NearestPair(std::vector<std::string> sources, std::vector<std::string> replies);

  // The reply of the nearest pair, of equals the first; `phrase` itself where it shares no word with any.
  std::string reply(const std::string& phrase) const;

 private:
  struct Posting {
    uint32_t pair;
    float weight;
  };

  std::vector<std::string> replies_;
  TermWeights terms_;
  std::vector<std::vector<Posting>> postings_;  // of each term
};

// The beginning of `text`: whole sentences of up to `words` words together, at least one, which is cut where it alone
// is longer. A line without a point at its end is a sentence.
std::string lead_of(std::string_view text, size_t words);

size_t count_words(std::string_view text);

}  // namespace linnet
