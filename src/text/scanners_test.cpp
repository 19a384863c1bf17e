// Every pattern that has a scanner of its own, against PCRE2 running the same pattern.
#include "text/scanners.hpp"

#include <gtest/gtest.h>
#include <random>

#include "text/matcher.hpp"

namespace linnet {
namespace {

constexpr std::string_view kContractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
constexpr std::string_view kTail = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::vector<std::string> patterns() {
  const std::string contractions(kContractions);
  const std::string tail(kTail);
  std::vector<std::string> made{std::string(kGpt2Pattern), R"(\p{N})", R"(\p{N}{1,3})", R"(\p{N}+)"};
  const std::string upper = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
  const std::string lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  for (const std::string numbers : {R"(\p{N}{1,3})", R"(\p{N})", R"(\p{N}{1,2})"}) {
    const std::string words = R"([^\r\n\p{L}\p{N}]?\p{L}+|)" + numbers + R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" + tail;
    made.push_back(words);
    made.push_back(contractions + "|" + words);
    made.push_back(contractions + R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|)" + numbers +
                   R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" + tail);
    for (const std::string& ending : {contractions + "?", std::string()}) {
      made.push_back(upper + "*" + lower + "+" + ending + "|" + upper + "+" + lower + "*" + ending + "|" + numbers +
                     R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + tail);
    }
  }
  made.push_back(
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
      "| ?[\\p{P}\\p{S}]+[\\r\\n]*" +
      tail);
  // The same pattern may write its line ends as themselves, as DeepSeek's file does.
  std::string literal = made.back();
  for (const auto& [from, to] : {std::pair("\\r", "\r"), std::pair("\\n", "\n")}) {
    for (size_t at = 0; (at = literal.find(from, at)) != std::string::npos;) literal.replace(at, 2, to);
  }
  made.push_back(literal);
  return made;
}

std::string random_text(std::mt19937& random) {
  constexpr std::string_view kPieces[] = {"'s",      "'LL",    "'ſ",    "don't", " ",          "  ", "\n", "\r\n",
                                          "\t",      "/",      "12345", "½",     "Ⅷ",          "!?", "$",  "é",
                                          "e\u0301", "ǅ",      "ʰ",     "ª",     "HTTPServer", "字", "א",  "\u00a0",
                                          "\u3000",  "\u0085", "_",     "🙂",    "\u200d",     "T",  "x"};
  std::string text;
  for (int i = 0; i < 12; ++i) text += kPieces[random() % std::size(kPieces)];
  return text;
}

TEST(ScannersTest, EqualPcre2) {
  std::mt19937 random(3);
  std::vector<std::string> texts;
  for (int i = 0; i < 400; ++i) texts.push_back(random_text(random));
  for (const std::string& pattern : patterns()) {
    const auto scanner = known_scanner(pattern, PatternDialect::kHuggingFace);
    ASSERT_NE(scanner, nullptr) << pattern;
    const auto pcre2 = compile_with_pcre2(pattern, "test");
    ASSERT_TRUE(pcre2.ok()) << pcre2.error().to_string();
    for (const std::string& text : texts) {
      std::vector<TextSpan> ours;
      std::vector<TextSpan> theirs;
      ASSERT_TRUE(scanner->find(text, 0, true, ours).ok());
      ASSERT_TRUE((*pcre2)->find(text, 0, true, theirs).ok());
      const bool same =
          std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                     [](const TextSpan& a, const TextSpan& b) { return a.begin == b.begin && a.end == b.end; });
      ASSERT_TRUE(same) << pattern << "\n on " << text;
    }
  }
}

TEST(ScannersTest, OtherPatternsAreLeftToPcre2) {
  EXPECT_EQ(known_scanner(R"(\p{L}+)", PatternDialect::kHuggingFace), nullptr);
}

// Oniguruma's classes, not PCRE2's: U+180E is no white space, and a combining mark is part of a word.
TEST(ScannersTest, WhiteSpaceAndWordsAreOfToday) {
  const auto pieces = [](const char* pattern, std::string_view text) {
    std::vector<TextSpan> found;
    const auto matcher = compile_with_pcre2(pattern, "test");
    EXPECT_TRUE(matcher.ok() && (*matcher)->find(text, 0, false, found).ok()) << pattern;
    std::vector<std::string> out;
    for (const TextSpan& span : found) out.emplace_back(text.substr(span.begin, span.end - span.begin));
    return out;
  };
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces(R"(\s+)", "a \u180e\u3000\tb"), (Pieces{" ", "\u3000\t"}));
  EXPECT_EQ(pieces(R"([^\s]+)", "a\u180e b"), (Pieces{"a\u180e", "b"}));
  EXPECT_EQ(pieces(R"(\S+)", "a\u180e b"), (Pieces{"a\u180e", "b"}));
  EXPECT_EQ(pieces(R"(\w+)", "e\u0301a_1 \u2460."), (Pieces{"e\u0301a_1"}));
  EXPECT_EQ(pieces(R"([\w.]+)", "e\u0301.a!"), (Pieces{"e\u0301.a"}));
  EXPECT_EQ(pieces(R"(\W+)", "e\u0301 !a"), (Pieces{" !"}));
}

// A model file chooses the pattern: one that tries everything ends with an error, not with the text.
TEST(ScannersTest, APatternThatNeedsTooManyStepsGivesUp) {
  const auto matcher = compile_with_pcre2("(a+)+b", "test");
  ASSERT_TRUE(matcher.ok()) << matcher.error().to_string();
  std::vector<TextSpan> found;
  const Status stopped = (*matcher)->find(std::string(60, 'a') + "cb", 0, true, found);
  ASSERT_FALSE(stopped.ok());
  EXPECT_NE(stopped.error().to_string().find("gives up on this text"), std::string::npos);
  EXPECT_TRUE((*matcher)->find("aab", 0, true, found).ok());
}

TEST(ScannersTest, CodePointsMayBeSpeltAsOnigurumaDoes) {
  const auto matcher = compile_with_pcre2(R"([\u0041-\u0043]+|\\u0041|\u00e9)", "test");
  ASSERT_TRUE(matcher.ok()) << matcher.error().to_string();
  std::vector<TextSpan> found;
  ASSERT_TRUE((*matcher)->find("xABC\\u0041é", 0, true, found).ok());
  std::vector<std::pair<size_t, size_t>> spans;
  for (const TextSpan& span : found) spans.emplace_back(span.begin, span.end);
  const std::vector<std::pair<size_t, size_t>> wanted{{0, 1}, {1, 4}, {4, 10}, {10, 12}};
  EXPECT_EQ(spans, wanted);
  EXPECT_FALSE(compile_with_pcre2(R"(\u00)", "test").ok());
}

}  // namespace
}  // namespace linnet
