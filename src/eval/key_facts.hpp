// Whether a reply holds the facts that a right answer must: "9 am / 9:00 | Sunday" of a test list (docs/data.md).
//
// People and models write one fact in many ways. Case, accents' encoding, punctuation and spaces do not count, and
// these are the same: 9am and 9 a.m.; 09:00 and 9:00; 9–17 and 9 to 17; €12, 12 €, 12.00 EUR and 12 euros; 1,250 and
// 1250; 10% and 10 percent. Times are also compared by the clock (6 pm is 18:00), and a whole hour is also its number
// (9:00 holds 9). A plural holds its singular (Mondays holds Monday, not the other way round; English). Everything else
// must stand there word by word: 9:30 does not hold 9, nor 12.50 12. Thread safety: const methods.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "data/sample.hpp"

namespace linnet {

// A text, cut once and asked about many facts. `text` is UTF-8; invalid bytes stand between words.
class FactText {
 public:
  explicit FactText(std::string_view text);

  // Whether one of the fact's spellings stands in the text, as whole words.
  bool holds(const Fact& fact) const;
  // The share of `facts` that it holds; 1 where there is none.
  double share_of(std::span<const Fact> facts) const;
  // Whether the words of `phrase`, at least one, stand in it as they are written, one after the other.
  bool has_phrase(const FactText& phrase) const;
  // Whether both are the same words in the same order.
  bool same_words(const FactText& other) const { return literal_ == other.literal_; }
  bool empty() const { return literal_.empty(); }

 private:
  // Words in their one spelling, each between two line breaks, so that a run of words is a piece of the text.
  std::string literal_;   // "9 a.m." is "\n9\nam\n"
  std::string singular_;  // "mondays" is "\nmonday\n"
  std::string hours_;     // whole hours by their number: "9:00" is "\n9\n"
  std::string clock_;     // times by the clock: "9 a.m." is "\n9:00\n"
};

}  // namespace linnet
