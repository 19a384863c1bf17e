#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/matcher.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <pcre2.h>

#include "base/utf8.hpp"
#include "text/scanners.hpp"

namespace linnet {

namespace {

// Steps and memory that one match may take: model files choose the pattern, users the text.
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr uint32_t kDepthLimit = 10'000;
constexpr uint32_t kHeapLimitKib = 64 << 10;
// Of one text: the limits above are per match, and a text can have a slow match at each of its characters. In seconds
// of the processor, so that a busy machine changes nothing; looked at after every kMatchesPerLook matches.
constexpr double kTimeLimit = 10;
constexpr double kTimeLimitPerByte = 10e-6;  // some hundred times what ordinary patterns take
constexpr int kMatchesPerLook = 16;
constexpr size_t kMaxPattern = 16 << 10;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

// `text` with DEL for each byte that is not UTF-8, so that PCRE2 need not look for such bytes: it would look through
// the whole rest of the text at every match.
std::string without_invalid_utf8(std::string_view text) {
  constexpr char kDelete = 0x7F;
  std::string out(text);
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text.substr(at));
    if (!step.valid) std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(at), step.length, kDelete);
    at += static_cast<size_t>(step.length);
  }
  return out;
}

class RegexMatcher : public Matcher {
 public:
  RegexMatcher(pcre2_code* code, std::string pattern) : code_(code), pattern_(std::move(pattern)) {}

  Status find(std::string_view text, size_t base, bool gaps, std::vector<TextSpan>& out) const override {
    if (!is_valid_utf8(text)) return find(without_invalid_utf8(text), base, gaps, out);
    const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
    const std::unique_ptr<pcre2_match_context, FreeMatchContext> context(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_depth_limit(context.get(), kDepthLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    const double deadline = processor_seconds() + kTimeLimit + kTimeLimitPerByte * static_cast<double>(text.size());
    size_t gap = 0;
    uint64_t matches = 0;
    for (size_t at = 0; at < text.size();) {
      int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                              PCRE2_NO_UTF_CHECK, data.get(), context.get());
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (++matches % kMatchesPerLook == 0 && processor_seconds() > deadline) found = PCRE2_ERROR_MATCHLIMIT;
      if (found < 0) {
        return invalid(
            fmt::format("the pre-tokenizer's pattern {:?} gives up on this text: {}", pattern_, pcre2_message(found)),
            {}, "the pattern needs too many steps: it is not one that a tokenizer should have");
      }
      const PCRE2_SIZE* match = pcre2_get_ovector_pointer(data.get());
      if (match[1] < match[0] || match[0] < at) break;  // \K can move a match's start behind its end
      // An empty match only cuts what lies around it.
      if (gaps && gap < match[0]) out.push_back({base + gap, base + match[0]});
      gap = match[0];
      if (match[1] == match[0]) {
        if (match[0] == text.size()) break;
        at = match[0] + static_cast<size_t>(decode_utf8(text.substr(match[0])).length);
        continue;
      }
      out.push_back({base + match[0], base + match[1]});
      at = gap = match[1];
    }
    if (gaps && gap < text.size()) out.push_back({base + gap, base + text.size()});
    return ok_status();
  }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
  std::string pattern_;
};

class LiteralMatcher : public Matcher {
 public:
  explicit LiteralMatcher(std::string literal) : literal_(std::move(literal)) {}

  Status find(std::string_view text, size_t base, bool gaps, std::vector<TextSpan>& out) const override {
    size_t gap = 0;
    for (size_t at = 0; (at = text.find(literal_, at)) != std::string_view::npos; at = gap) {
      if (gaps && gap < at) out.push_back({base + gap, base + at});
      gap = at + literal_.size();
      out.push_back({base + at, base + gap});
    }
    if (gaps && gap < text.size()) out.push_back({base + gap, base + text.size()});
    return ok_status();
  }

  // All but an end that may be the beginning of the literal.
  size_t settled(std::string_view text) const override {
    size_t after = 0;
    for (size_t at = 0; (at = text.find(literal_, at)) != std::string_view::npos; at = after) {
      after = at + literal_.size();
    }
    size_t open = std::min(literal_.size() - 1, text.size() - after);
    while (open > 0 && !text.ends_with(std::string_view(literal_).substr(0, open))) --open;
    return text.size() - open;
  }

 private:
  std::string literal_;
};

// What Oniguruma and Rust's regex mean by an escape of one letter, as PCRE2 has it: its own \s knows U+180E, which is
// no white space since Unicode 6.3, and its \w lacks marks.
std::string_view pcre2_escape(char letter, bool in_class) {
  switch (letter) {
    case 's':
      return R"(\p{White_Space})";
    case 'S':
      return R"(\P{White_Space})";
    case 'w':
      return in_class ? R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})" : R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])";
    case 'W':
      return in_class ? R"(\W)" : R"([^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])";
    default:
      return {};
  }
}

// Oniguruma and Rust's regex read \uXXXX as a code point; PCRE2 writes that \x{XXXX}.
std::string in_pcre2_escapes(std::string_view pattern) {
  constexpr size_t kDigits = 4;
  std::string out;
  bool in_class = false;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '\\' || at + 1 == pattern.size()) {
      if (pattern[at] == '[') in_class = true;
      if (pattern[at] == ']') in_class = false;
      out += pattern[at];
      continue;
    }
    ++at;
    const std::string_view digits = pattern.substr(at + 1, kDigits);
    const bool code_point = pattern[at] == 'u' && digits.size() == kDigits &&
                            digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (code_point) {
      out += fmt::format("\\x{{{}}}", digits);
      at += kDigits;
    } else if (const std::string_view escape = pcre2_escape(pattern[at], in_class); !escape.empty()) {
      out += escape;
    } else {
      out += {'\\', pattern[at]};
    }
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Matcher>> compile_with_pcre2(std::string_view pattern, std::string_view place) {
  if (pattern.size() > kMaxPattern) {
    return invalid(fmt::format("a pattern of {} bytes, more than {}", pattern.size(), kMaxPattern), std::string(place));
  }
  if (pattern.find("&&") != std::string_view::npos) {
    return unsupported(fmt::format("pattern {:?} intersects classes, which PCRE2 reads as text", pattern),
                       std::string(place));
  }
  const std::string spelt = in_pcre2_escapes(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelt.data()), spelt.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (!code) {
    return invalid(fmt::format("pattern {:?}: {} at offset {}", spelt, pcre2_message(error), offset),
                   std::string(place));
  }
  return std::unique_ptr<Matcher>(std::make_unique<RegexMatcher>(code, std::string(pattern)));
}

Result<std::unique_ptr<Matcher>> compile_pattern(std::string_view pattern, PatternDialect dialect,
                                                 std::string_view place) {
  if (auto scanner = known_scanner(pattern, dialect)) return scanner;
  return compile_with_pcre2(pattern, place);
}

std::unique_ptr<Matcher> literal_matcher(std::string literal) {
  return std::make_unique<LiteralMatcher>(std::move(literal));
}

}  // namespace linnet
