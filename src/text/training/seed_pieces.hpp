// The pieces that unigram training starts from: every substring that occurs often, by a suffix array.
//
// What Hugging Face's UnigramTrainer takes: the inner nodes of the suffix tree over the different words, that is
// substrings that are followed by at least two different characters (the end of a word counts as one), weighted by how
// often they occur in the different words times their length; characters are weighted by their count in the text.
// Memory: 8 bytes for each character of the different words. Thread safety: a function of its arguments.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"
#include "text/training/word_counts.hpp"

namespace linnet {

struct UnigramPiece {
  std::string text;
  double score = 0;  // natural logarithm of its probability
};

// The characters of the words and their counts, in the order of their code points.
struct CharacterCount {
  char32_t character = 0;
  uint64_t count = 0;
};
std::vector<CharacterCount> count_characters(const WordCounts& words);

// Characters first, most frequent first, then substrings of 2 to `longest` characters by weight, `most` in all.
// `words` are UTF-8. Errors: different words of 4 GiB or more together, or of more than there is memory for;
// kCancelled.
Result<std::vector<UnigramPiece>> seed_pieces(const WordCounts& words, size_t longest, size_t most,
                                              const CancelToken& cancel);

}  // namespace linnet
