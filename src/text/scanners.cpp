// The patterns of byte-level models, each as one function that gives the end of the match at a position.
#include "text/scanners.hpp"

#include <array>

#include "text/matcher.hpp"
#include "text/scan.hpp"

namespace linnet {

namespace {

enum class Case { kExact, kAscii, kUnicode };

// The end of 's 't 're 've 'm 'll 'd at `at`, or `at`.
size_t contraction(const CharScanner& text, size_t at, Case fold) {
  if (!text.is(at, '\'') || at + 1 >= text.size()) return at;
  const auto letter = [&](size_t i) -> char {
    if (i >= text.size()) return 0;
    const char c = text.byte(i);
    return fold != Case::kExact && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  const char second = letter(at + 2);
  if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l')) return at + 3;
  // U+017F, the long s, is the only other character that folds to one of these letters.
  if (fold == Case::kUnicode && first == '\xC5' && text.is(at + 2, '\xBF')) return at + 3;
  return at;
}

// \s+(?!\S)|\s+ : a run of white space leaves its last character to the word that follows.
size_t white_space(const CharScanner& text, size_t at) {
  size_t end = at;
  size_t last = at;
  while (end < text.size()) {
    const ScanChar c = text.at(end);
    if ((c.flags & kWhiteSpace) == 0) break;
    last = end;
    end += c.length;
  }
  return end < text.size() && last > at ? last : end;
}

// \s*[\r\n]+|\s+(?!\S)|\s+
size_t white_space_by_line(const CharScanner& text, size_t at) {
  size_t end = at;
  size_t last = at;
  size_t after_newline = at;
  while (end < text.size()) {
    const ScanChar c = text.at(end);
    if ((c.flags & kWhiteSpace) == 0) break;
    last = end;
    end += c.length;
    if (text.is_newline(last)) after_newline = end;
  }
  if (after_newline > at) return after_newline;
  return end < text.size() && last > at ? last : end;
}

size_t newlines(const CharScanner& text, size_t at, bool slashes) {
  while (text.is_newline(at) || (slashes && text.is(at, '/'))) ++at;
  return at;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
struct Gpt2 {
  size_t operator()(const CharScanner& text, size_t at) const {
    if (const size_t end = contraction(text, at, Case::kExact); end > at) return end;
    const size_t start = text.is(at, ' ') ? at + 1 : at;
    const ScanChar c = text.at(start);
    if (c.flags & kLetter) return text.run(start + c.length, kLetter);
    if (c.flags & kNumber) return text.run(start + c.length, kNumber);
    if (c.length > 0 && !(c.flags & kWhiteSpace)) {
      return text.run_without(start + c.length, kWhiteSpace | kLetter | kNumber);
    }
    return white_space(text, at);
  }
};

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// `letters` is \p{L}, or [\p{L}\p{M}], which the punctuation then excludes too.
struct Cl100k {
  size_t digits = 3;
  Case fold = Case::kUnicode;
  uint16_t letters = kLetter;
  bool contractions = true;

  size_t operator()(const CharScanner& text, size_t at) const {
    if (contractions) {
      if (const size_t end = contraction(text, at, fold); end > at) return end;
    }
    const ScanChar c = text.at(at);
    if (c.flags & letters) return text.run(at + c.length, letters);
    if (c.flags & kNumber) return text.run(at + c.length, kNumber, digits - 1);
    if (!text.is_newline(at)) {
      const ScanChar second = text.at(at + c.length);
      if (second.flags & letters) return text.run(at + c.length + second.length, letters);
    }
    const size_t start = text.is(at, ' ') ? at + 1 : at;
    const auto others = static_cast<uint16_t>(kWhiteSpace | kNumber | letters);
    const size_t end = text.run_without(start, others);
    if (end > start) return newlines(text, end, false);
    return white_space_by_line(text, at);
  }
};

// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
// |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
// |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
// llama.cpp reads the two classes as the letters without a-z and the letters without A-Z.
struct O200k {
  size_t digits = 3;
  Case fold = Case::kUnicode;
  bool contractions = true;
  bool llama_cpp = false;

  bool upper(const ScanChar& c, const CharScanner& text, size_t at) const {
    if (!llama_cpp) return (c.flags & (kLu | kLt | kLm | kLo | kMark)) != 0;
    return (c.flags & kLetter) != 0 && !(text.byte(at) >= 'a' && text.byte(at) <= 'z');
  }
  bool lower(const ScanChar& c, const CharScanner& text, size_t at) const {
    if (!llama_cpp) return (c.flags & (kLl | kLm | kLo | kMark)) != 0;
    return (c.flags & kLetter) != 0 && !(text.byte(at) >= 'A' && text.byte(at) <= 'Z');
  }

  // The word from `at` on: upper* lower+, or failing that (and if `capitals`) upper+ lower*. `at` where there is none.
  size_t word(const CharScanner& text, size_t at, bool capitals) const {
    size_t end = at;
    size_t after_lower = at;  // the first alternative gives back capitals until what is left ends in a `lower`
    for (ScanChar c = text.at(end); c.length > 0 && upper(c, text, end); c = text.at(end)) {
      const bool both = lower(c, text, end);
      end += c.length;
      if (both) after_lower = end;
    }
    const size_t after_upper = end;
    for (ScanChar c = text.at(end); c.length > 0 && lower(c, text, end); c = text.at(end)) end += c.length;
    if (end > after_upper) return end;
    return after_lower > at || !capitals ? after_lower : after_upper;
  }

  size_t operator()(const CharScanner& text, size_t at) const {
    const ScanChar c = text.at(at);
    if (c.flags & kNumber) return text.run(at + c.length, kNumber, digits - 1);
    const bool prefixed = !text.is_newline(at) && !(c.flags & kLetter);
    const size_t after_prefix = at + c.length;
    for (const bool capitals : {false, true}) {
      // With the optional character before the word first, then without.
      size_t end = prefixed ? word(text, after_prefix, capitals) : at;
      if (!prefixed || end == after_prefix) end = word(text, at, capitals);
      if (end > at) return contractions ? contraction(text, end, fold) : end;
    }
    const size_t start = text.is(at, ' ') ? at + 1 : at;
    const size_t end = text.run_without(start, kWhiteSpace | kLetter | kNumber);
    if (end > start) return newlines(text, end, true);
    return white_space_by_line(text, at);
  }
};

// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
// |\s*[\r\n]+|\s+(?!\S)|\s+   Digits and controls may match nothing.
struct DeepSeek {
  size_t operator()(const CharScanner& text, size_t at) const {
    const ScanChar c = text.at(at);
    const auto ascii_letter = [&](size_t i) {
      return i < text.size() &&
             ((text.byte(i) >= 'a' && text.byte(i) <= 'z') || (text.byte(i) >= 'A' && text.byte(i) <= 'Z'));
    };
    if (c.length == 1 && static_cast<uint8_t>(text.byte(at)) < 0x80 && (c.flags & (kPunctuation | kSymbol)) &&
        ascii_letter(at + 1)) {
      size_t end = at + 2;
      while (ascii_letter(end)) ++end;
      return end;
    }
    constexpr uint16_t kWord = kLetter | kMark;
    if (c.flags & kWord) return text.run(at + c.length, kWord);
    if (!text.is_newline(at) && !(c.flags & (kPunctuation | kSymbol))) {
      const ScanChar second = text.at(at + c.length);
      if (second.flags & kWord) return text.run(at + c.length + second.length, kWord);
    }
    const size_t start = text.is(at, ' ') ? at + 1 : at;
    const size_t end = text.run(start, kPunctuation | kSymbol);
    if (end > start) return newlines(text, end, false);
    return c.flags & kWhiteSpace ? white_space_by_line(text, at) : at;
  }
};

// Runs of a class: \p{N}, \p{N}{1,3}, \p{N}+, ...
struct FlagsRun {
  uint16_t flags = 0;
  size_t longest = SIZE_MAX;
  size_t operator()(const CharScanner& text, size_t at) const { return text.run(at, flags, longest); }
};

template <class Scan>
class ScanMatcher : public Matcher {
 public:
  explicit ScanMatcher(Scan scan) : scan_(scan) {}

  Status find(std::string_view view, size_t base, bool gaps, std::vector<TextSpan>& out) const override {
    const CharScanner text(view);
    size_t gap = 0;
    for (size_t at = 0; at < view.size();) {
      const size_t end = scan_(text, at);
      if (end == at) {
        at += text.at(at).length;
        continue;
      }
      if (gaps && gap < at) out.push_back({base + gap, base + at});
      out.push_back({base + at, base + end});
      at = gap = end;
    }
    if (gaps && gap < view.size()) out.push_back({base + gap, base + view.size()});
    return ok_status();
  }

 private:
  Scan scan_;
};

template <class Scan>
std::unique_ptr<Matcher> make(Scan scan) {
  return std::make_unique<ScanMatcher<Scan>>(scan);
}

// The spellings of one pattern that differ only in how they are written.
constexpr std::string_view kContractionsAny = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))";
constexpr std::string_view kContractionsGrouped = R"('(?i:[sdmt]|ll|ve|re))";
constexpr std::string_view kContractionsSpelled = R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]))";

// `pattern` with every spelling of the contractions as the first one, possessive quantifiers as greedy ones (no
// alternative here ever gives anything back to them), \s*[\r\n] as \s*[\r\n]+ (the same match), and line ends that
// stand for themselves as escapes.
std::string canonical(std::string_view pattern, bool& ascii_case) {
  std::string text(pattern);
  const auto replace = [&](std::string_view from, std::string_view to) {
    bool found = false;
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
      found = true;
    }
    return found;
  };
  ascii_case = replace(kContractionsSpelled, kContractionsAny);
  replace(kContractionsGrouped, kContractionsAny);
  replace("\r", R"(\r)");
  replace("\n", R"(\n)");
  replace("?+", "?");
  replace("++", "+");
  replace("{1}", "");
  replace(R"(|\s*[\r\n]|)", R"(|\s*[\r\n]+|)");
  return text;
}

}  // namespace

std::unique_ptr<Matcher> known_scanner(std::string_view pattern, PatternDialect dialect) {
  bool ascii_case = false;
  const std::string text = canonical(pattern, ascii_case);
  const bool llama_cpp = dialect == PatternDialect::kLlamaCpp;
  const Case fold = ascii_case || llama_cpp ? Case::kAscii : Case::kUnicode;
  if (text == kGpt2Pattern || text == R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))" ||
      text == R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)") {
    // Without the last alternative a lone white space matches nothing; it is a gap, and so a piece all the same.
    return make(Gpt2{});
  }
  struct Known {
    std::string_view pattern;
    Cl100k scan;
  };
  constexpr std::string_view kTail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  constexpr std::string_view kWords = R"([^\r\n\p{L}\p{N}]?\p{L}+|)";
  const std::string contractions = std::string(kContractionsAny) + "|";
  const struct {
    std::string_view numbers;
    size_t digits;
  } kNumbers[] = {{R"(\p{N}{1,3})", 3}, {R"(\p{N})", 1}, {R"(\p{N}{1,2})", 2}, {R"(\p{N}+)", SIZE_MAX}};
  for (const auto& [numbers, digits] : kNumbers) {
    std::string rest(kWords);
    rest += numbers;
    rest += kTail;
    if (text == contractions + rest) return make(Cl100k{digits, fold, kLetter, true});
    if (text == rest) return make(Cl100k{digits, fold, kLetter, false});
    const std::string marks = contractions + R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|)" + std::string(numbers) +
                              R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    if (text == marks) return make(Cl100k{digits, fold, kLetter | kMark, true});
    const std::string_view lead = R"([^\r\n\p{L}\p{N}]?)";
    const std::string_view upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
    const std::string_view lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
    for (const bool ending : {true, false}) {
      const std::string end = (ending ? std::string(kContractionsAny) + "?" : std::string()) + "|";
      std::string words(lead);
      words.append(upper).append("*").append(lower).append("+").append(end).append(lead).append(upper).append("+");
      words.append(lower).append("*").append(end).append(numbers);
      words += R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
      if (text == words) return make(O200k{digits, fold, ending, llama_cpp});
    }
  }
  if (text ==
      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)") {
    return make(DeepSeek{});
  }
  if (text == R"(\p{N}{1,3})") return flags_matcher(kNumber, 3);
  if (text == R"(\p{N})") return flags_matcher(kNumber, 1);
  if (text == R"(\p{N}+)") return flags_matcher(kNumber, 0);
  return nullptr;
}

std::string canonical_pattern(std::string_view pattern) {
  bool ascii_case = false;
  return canonical(pattern, ascii_case);
}

std::unique_ptr<Matcher> flags_matcher(uint16_t flags, size_t longest) {
  return make(FlagsRun{flags, longest == 0 ? SIZE_MAX : longest});
}

}  // namespace linnet
