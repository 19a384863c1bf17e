// What splits a text into words: scanners written for the patterns that models use, PCRE2 for any other pattern.
//
// A pattern is recognised by its spelling. A scanner gives what the regular expression gives (leftmost, alternatives in
// order, greedy with backtracking) in one pass, whatever the text.
// Thread safety: matchers are immutable.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/token_model.hpp"

namespace linnet {

class Matcher {
 public:
  Matcher() = default;
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;
  virtual ~Matcher() = default;

  // Appends every match of the pattern in `text`, and, if `gaps`, what lies between them, in order. Nothing is appended
  // for an empty match. `base` is added to every position. Errors: the match limit of PCRE2 is exceeded.
  virtual Status find(std::string_view text, size_t base, bool gaps, std::vector<TextSpan>& out) const = 0;

  // How many bytes at the beginning of `text` have their matches for certain, whatever text follows. Safe: none.
  virtual size_t settled(std::string_view) const { return 0; }
};

// Whose reading of a pattern counts, where they differ.
enum class PatternDialect {
  kHuggingFace,  // Oniguruma: all of Unicode
  kLlamaCpp,     // its hand-written splitters and std::regex over collapsed categories
};

// The matcher of a regular expression. Errors: the pattern does not compile, or uses what PCRE2 would read otherwise.
Result<std::unique_ptr<Matcher>> compile_pattern(std::string_view pattern, PatternDialect dialect,
                                                 std::string_view place);

// Matches `literal` itself; it must not be empty.
std::unique_ptr<Matcher> literal_matcher(std::string literal);

// Runs of at most `longest` characters (0: no limit), each with one of `flags` (CharFlag).
std::unique_ptr<Matcher> flags_matcher(uint16_t flags, size_t longest);

// GPT-2's pattern, which the ByteLevel pre-tokenizer has built in.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The matcher of a regular expression in PCRE2, known or not (for tests that hold the scanners against it).
Result<std::unique_ptr<Matcher>> compile_with_pcre2(std::string_view pattern, std::string_view place);

}  // namespace linnet
