// Texts as weighted words and pairs of words (TF-IDF; Salton & Buckley 1988, "Term-weighting approaches in automatic
// text retrieval"), as scikit-learn's TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True) computes them: a word is a
// run of two or more letters, digits and underscores of the lower-cased text, a term one word or two that follow each
// other; of n texts, df of which hold a term, it weighs (1 + ln tf) * (1 + ln((1 + n) / (1 + df))) where a text has it
// tf times, and a text's weights have the length 1.
// Ownership: values. Thread safety: const methods.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"

namespace linnet {

struct TermWeight {
  uint32_t term = 0;  // its number
  float weight = 0;
};
// A text: its known terms by rising number. Empty where it has none.
using TermRow = std::vector<TermWeight>;

// Its terms in their order, each as often as it stands there.
std::vector<std::string> terms_of(std::string_view text);

class TermWeights {
 public:
  // The terms of `texts`; where they are more than `most`, those that occur most often (of equals, the first by bytes).
  static TermWeights fit(std::span<const std::string> texts, size_t most);
  // terms: rising by bytes; idf: a finite number above 0 for each. Errors: anything else, `place` being for messages.
  static Result<TermWeights> of(std::vector<std::string> terms, std::vector<float> idf, const std::string& place);

  TermRow weigh(std::string_view text) const;

  const std::vector<std::string>& terms() const { return terms_; }  // rising by bytes
  std::span<const float> idf() const { return idf_; }

 private:
  TermWeights(std::vector<std::string> terms, std::vector<float> idf);

  std::vector<std::string> terms_;
  std::vector<float> idf_;
  std::unordered_map<std::string, uint32_t> numbers_;
};

}  // namespace linnet
