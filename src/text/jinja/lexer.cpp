#include "text/jinja/lexer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "text/jinja/fault.hpp"
#include "text/jinja/pystr.hpp"
#include "text/jinja/value.hpp"

namespace linnet::jinja {

namespace {

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

int digit_value(char c) {
  if (is_ascii_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// Line breaks become \n, and one at the end of the template is dropped.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

// Python's codec unicode-escape, over text whose characters beyond ASCII were first written as escapes themselves.
// That first step is jinja2's, and shows where a backslash stands before such a character.
class Unescaper {
 public:
  Unescaper(std::string_view text, int line) : line_(line) {
    while (!text.empty()) {
      const Utf8Step step = decode_utf8(text);
      const auto c = static_cast<uint32_t>(step.code_point);
      if (c < 0x80) {
        ascii_ += static_cast<char>(c);
      } else if (c < 0x100) {
        ascii_ += fmt::format("\\x{:02x}", c);
      } else if (c < 0x10000) {
        ascii_ += fmt::format("\\u{:04x}", c);
      } else {
        ascii_ += fmt::format("\\U{:08x}", c);
      }
      text.remove_prefix(static_cast<size_t>(step.length));
    }
  }

  std::string run() {
    while (at_ < ascii_.size()) {
      const char c = ascii_[at_++];
      if (c != '\\') {
        out_ += c;
      } else if (at_ == ascii_.size()) {
        fail(FaultKind::kSyntax, "\\ at end of string", line_);
      } else {
        escape(ascii_[at_++]);
      }
    }
    return std::move(out_);
  }

 private:
  void escape(char c) {
    constexpr std::string_view kFrom = "\\'\"abfnrtv";
    constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t at = kFrom.find(c); at != kFrom.npos) {
      out_ += kTo[at];
    } else if (c == 'x') {
      put(hex(2, "truncated \\xXX escape"));
    } else if (c == 'u') {
      put(hex(4, "truncated \\uXXXX escape"));
    } else if (c == 'U') {
      put(hex(8, "truncated \\UXXXXXXXX escape"));
    } else if (c >= '0' && c <= '7') {
      --at_;
      put(octal());
    } else if (c == 'N') {
      fail(FaultKind::kUnsupported, "\\N{...} escapes are not supported: write \\u and the number", line_);
    } else if (c != '\n') {
      out_ += '\\';
      out_ += c;
    }
  }

  char32_t hex(size_t digits, const char* truncated) {
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const int digit = at_ < ascii_.size() ? digit_value(ascii_[at_]) : 99;
      if (digit > 15) fail(FaultKind::kSyntax, truncated, line_);
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    return value;
  }

  char32_t octal() {
    uint32_t value = 0;
    for (int i = 0; i < 3 && at_ < ascii_.size() && ascii_[at_] >= '0' && ascii_[at_] <= '7'; ++i, ++at_) {
      value = value * 8 + static_cast<uint32_t>(ascii_[at_] - '0');
    }
    return value;
  }

  void put(char32_t c) {
    if (c > 0x10FFFF) fail(FaultKind::kSyntax, "illegal Unicode character", line_);
    if (c >= 0xD800 && c < 0xE000) {
      fail(FaultKind::kUnsupported, "a lone surrogate in a string cannot be written as UTF-8", line_);
    }
    append_utf8(out_, c);
  }

  std::string ascii_;
  std::string out_;
  size_t at_ = 0;
  int line_;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : owned_(normalize_newlines(source)), source_(owned_) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    tokens_.push_back({TokenType::kEnd, line_, ""});
    return std::move(tokens_);
  }

 private:
  // Text up to the next tag, then the tag.
  void root() {
    size_t tag = at_;
    const auto is_tag = [&](size_t i) {
      return source_[i] == '{' && (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#');
    };
    while (tag + 1 < source_.size() && !is_tag(tag)) ++tag;
    if (tag + 1 >= source_.size()) {
      data(source_.substr(at_));
      at_ = source_.size();
      return;
    }
    const std::string_view text = source_.substr(at_, tag - at_);
    const char kind = source_[tag + 1];
    size_t after = tag + 2;
    const char sign = sign_at(after);
    if (sign != 0) ++after;
    const size_t raw = kind == '%' ? raw_begin(after) : 0;
    const int line = line_;
    leading_text(text, sign, kind != '{');
    count_lines(text);
    at_ = raw != 0 ? raw : after;
    if (raw != 0) {
      count_lines(source_.substr(tag, raw - tag));
      raw_block();
    } else if (kind == '#') {
      comment();
    } else {
      (void)line;
      tokens_.push_back({kind == '%' ? TokenType::kBlockBegin : TokenType::kVariableBegin, line_, ""});
      tag_body(kind == '%');
    }
  }

  char sign_at(size_t at) const {
    const char c = at < source_.size() ? source_[at] : '\0';
    return c == '-' || c == '+' ? c : '\0';
  }

  void count_lines(std::string_view text) { line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

  void data(std::string_view text) {
    if (!text.empty()) tokens_.push_back({TokenType::kData, line_, std::string(text)});
  }

  // Emits the text before a tag: "-" strips all white space, else lstrip_blocks strips what stands between the start
  // of the tag's line and the tag, unless the tag prints.
  void leading_text(std::string_view text, char sign, bool block) {
    if (sign == '-') {
      text = strip_space(text, false, true);
    } else if (sign != '+' && block) {
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == text.npos ? 0 : newline + 1;
      const bool whole_line = newline != text.npos || line_starting_;
      if (whole_line && strip_space(text.substr(line_start), true, false).empty()) text = text.substr(0, line_start);
    }
    data(text);
  }

  size_t skip_space(size_t at) const { return source_.size() - strip_space(source_.substr(at), true, false).size(); }

  // The end of "raw %}" at `at`, or 0.
  size_t raw_begin(size_t at) const {
    at = skip_space(at);
    if (source_.substr(at, 3) != "raw") return 0;
    at = skip_space(at + 3);
    if (source_.substr(at, 3) == "-%}") return skip_space(at + 3);
    return source_.substr(at, 2) == "%}" ? at + 2 : 0;
  }

  // The end of "endraw %}" at `at` (after the sign), or 0.
  size_t raw_end(size_t at) const {
    at = skip_space(at);
    if (source_.substr(at, 6) != "endraw") return 0;
    return block_end(skip_space(at + 6));
  }

  // The end of "+%}", "-%}" with its white space, or "%}" with one line break, at `at`; or 0.
  size_t block_end(size_t at) const { return closing(at, "%}"); }

  size_t closing(size_t at, std::string_view mark) const {
    const char sign = sign_at(at);
    const size_t start = sign != 0 ? at + 1 : at;
    if (source_.substr(start, 2) != mark) return 0;
    const size_t end = start + 2;
    if (sign == '-') return skip_space(end);
    return sign == 0 && end < source_.size() && source_[end] == '\n' ? end + 1 : end;
  }

  void raw_block() {
    line_starting_ = source_[at_ - 1] == '\n';
    for (size_t tag = source_.find("{%", at_); tag != source_.npos; tag = source_.find("{%", tag + 1)) {
      const char sign = sign_at(tag + 2);
      const size_t end = raw_end(tag + (sign != 0 ? 3 : 2));
      if (end == 0) continue;
      const std::string_view text = source_.substr(at_, tag - at_);
      leading_text(text, sign, true);
      count_lines(text);
      finish(tag, end);
      return;
    }
    // jinja2 lets a block stand open at the very end.
    if (at_ < source_.size()) fail(FaultKind::kSyntax, "Missing end of raw directive", line_);
  }

  void comment() {
    const size_t mark = source_.find("#}", at_);
    if (mark == source_.npos) {
      if (at_ == source_.size()) return;
      fail(FaultKind::kSyntax, "Missing end of comment tag", line_);
    }
    const size_t start = mark > at_ && sign_at(mark - 1) != 0 ? mark - 1 : mark;
    finish(at_, closing(start, "#}"));
  }

  void finish(size_t from, size_t end) {
    count_lines(source_.substr(from, end - from));
    at_ = end;
    line_starting_ = source_[end - 1] == '\n';
  }

  // The tokens of an expression or statement, to the end of its tag.
  void tag_body(bool block) {
    brackets_.clear();
    while (at_ < source_.size()) {
      if (brackets_.empty()) {
        if (const size_t end = block ? block_end(at_) : variable_end(at_); end != 0) {
          tokens_.push_back({block ? TokenType::kBlockEnd : TokenType::kVariableEnd, line_, ""});
          finish(at_, end);
          return;
        }
      }
      const size_t after = skip_space(at_);
      if (after != at_) {
        count_lines(source_.substr(at_, after - at_));
        at_ = after;
      } else if (!number() && !name() && !string()) {
        op();
      }
    }
  }

  size_t variable_end(size_t at) const {
    if (source_.substr(at, 3) == "-}}") return skip_space(at + 3);
    return source_.substr(at, 2) == "}}" ? at + 2 : 0;
  }

  // The end of (\d+_)*\d+ at `at`, or `at`.
  size_t digits(size_t at) const {
    size_t end = at;
    while (end < source_.size()) {
      if (is_ascii_digit(source_[end])) {
        ++end;
      } else if (source_[end] == '_' && end > at && end + 1 < source_.size() && is_ascii_digit(source_[end + 1])) {
        ++end;
      } else {
        break;
      }
    }
    return end;
  }

  bool number() {
    if (!is_ascii_digit(source_[at_])) return false;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    const size_t whole = digits(at_);
    size_t end = whole;
    if (end < source_.size() && source_[end] == '.') {
      const size_t fraction = digits(end + 1);
      if (fraction > end + 1) end = fraction;
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const size_t sign = sign_at(end + 1) != 0 ? end + 2 : end + 1;
      const size_t exponent = digits(sign);
      if (exponent > sign) end = exponent;
    }
    if (end > whole && !after_dot) {
      real(end);
    } else {
      integer();
    }
    return true;
  }

  static std::string without_underscores(std::string_view text) {
    std::string out(text);
    std::erase(out, '_');
    return out;
  }

  void real(size_t end) {
    const std::string text = without_underscores(source_.substr(at_, end - at_));
    Token token{TokenType::kFloat, line_, text};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), token.real);
    if (result.ec == std::errc::result_out_of_range) {
      const size_t e = text.find_first_of("eE");
      token.real = e != text.npos && text[e + 1] == '-' ? 0 : HUGE_VAL;
    }
    tokens_.push_back(std::move(token));
    at_ = end;
  }

  void integer() {
    int base = 10;
    size_t end = at_;
    if (source_[at_] == '0') {
      const char mark = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
      base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
      if (base != 10) {
        end = based_digits(at_ + 2, base);
        if (end == at_ + 2) base = 10;
      }
      // "0(_?0)*": a decimal that begins with 0 is only zeros.
      if (base == 10) end = based_digits(at_, 1);
    } else {
      end = digits(at_);
    }
    const std::string text = without_underscores(source_.substr(at_, end - at_));
    Token token{TokenType::kInteger, line_, text};
    const char* first = text.data() + (base == 10 ? 0 : 2);
    if (std::from_chars(first, text.data() + text.size(), token.integer, base).ec != std::errc()) {
      fail(FaultKind::kUnsupported, fmt::format("integer {} does not fit 64 bits", text.substr(0, 60)), line_);
    }
    tokens_.push_back(std::move(token));
    at_ = end;
  }

  size_t based_digits(size_t at, int base) const {
    const auto is_digit = [&](size_t i) { return i < source_.size() && digit_value(source_[i]) < base; };
    for (;;) {
      if (is_digit(at)) {
        ++at;
      } else if (at < source_.size() && source_[at] == '_' && is_digit(at + 1)) {
        at += 2;
      } else {
        return at;
      }
    }
  }

  bool name() {
    size_t end = at_;
    while (end < source_.size()) {
      const Utf8Step step = decode_utf8(source_.substr(end));
      const char32_t c = step.code_point;
      if (c != '_' && !is_alnum(c)) break;
      end += static_cast<size_t>(step.length);
    }
    if (end == at_) return false;
    const std::string_view text = source_.substr(at_, end - at_);
    if (!is_identifier(decode(text))) fail(FaultKind::kSyntax, "Invalid character in identifier", line_);
    tokens_.push_back({TokenType::kName, line_, std::string(text)});
    at_ = end;
    return true;
  }

  bool string() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;
    const std::string_view inside = source_.substr(at_ + 1, end - at_ - 1);
    tokens_.push_back({TokenType::kString, line_, Unescaper(inside, line_).run()});
    count_lines(inside);
    at_ = end + 1;
    return true;
  }

  void op() {
    constexpr std::string_view kLong[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kShort = "+-/*%~[](){}><=.:|,;";
    std::string_view found = source_.substr(at_, 2);
    if (std::find(std::begin(kLong), std::end(kLong), found) == std::end(kLong)) found = source_.substr(at_, 1);
    if (found.size() == 1 && kShort.find(found[0]) == kShort.npos) {
      const Utf8Step step = decode_utf8(source_.substr(at_));
      fail(FaultKind::kSyntax,
           fmt::format("unexpected char {} at {}", repr_string(source_.substr(at_, static_cast<size_t>(step.length))),
                       code_points(source_.substr(0, at_))),
           line_);
    }
    balance(found[0]);
    tokens_.push_back({TokenType::kOperator, line_, std::string(found)});
    at_ += found.size();
  }

  void balance(char c) {
    constexpr std::string_view kOpen = "([{";
    constexpr std::string_view kClose = ")]}";
    if (const size_t at = kOpen.find(c); at != kOpen.npos) brackets_ += kClose[at];
    if (kClose.find(c) == kClose.npos) return;
    if (brackets_.empty()) fail(FaultKind::kSyntax, fmt::format("unexpected '{}'", c), line_);
    if (brackets_.back() != c) {
      fail(FaultKind::kSyntax, fmt::format("unexpected '{}', expected '{}'", c, brackets_.back()), line_);
    }
    brackets_.pop_back();
  }

  std::string owned_;
  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  // the closing ones that are awaited
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::kData:
      return "template data / text";
    case TokenType::kVariableBegin:
      return "begin of print statement";
    case TokenType::kVariableEnd:
      return "end of print statement";
    case TokenType::kBlockBegin:
      return "begin of statement block";
    case TokenType::kBlockEnd:
      return "end of statement block";
    case TokenType::kString:
      return "string";
    case TokenType::kInteger:
      return "integer";
    case TokenType::kFloat:
      return "float";
    case TokenType::kEnd:
      return "end of template";
    default:
      return token.text;
  }
}

}  // namespace linnet::jinja
