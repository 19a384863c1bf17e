// Steps of the scanners: one character with its flags, ASCII first.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/utf8.hpp"
#include "text/unicode.hpp"

namespace linnet {

struct ScanChar {
  uint16_t flags = 0;
  uint32_t length = 0;  // bytes; 0 at the end of the text
};

// Reads characters of one text. Invalid bytes have the flags of an unassigned character.
class CharScanner {
 public:
  explicit CharScanner(std::string_view text) : text_(text), table_(CharTable::get()) {}

  size_t size() const { return text_.size(); }
  char byte(size_t at) const { return text_[at]; }
  bool is(size_t at, char c) const { return at < text_.size() && text_[at] == c; }
  bool is_newline(size_t at) const { return is(at, '\n') || is(at, '\r'); }

  ScanChar at(size_t at) const {
    if (at >= text_.size()) return {};
    const auto first = static_cast<uint8_t>(text_[at]);
    if (first < 0x80) return {table_.flags(first), 1};
    return wide(at, first);
  }

  // The end of the run of characters that have one of `flags`, from `at` on, at most `longest` characters.
  size_t run(size_t at, uint16_t flags, size_t longest = SIZE_MAX) const {
    for (; longest > 0 && at < text_.size(); --longest) {
      const ScanChar c = this->at(at);
      if ((c.flags & flags) == 0) break;
      at += c.length;
    }
    return at;
  }

  // The same for characters that have none of `flags`.
  size_t run_without(size_t at, uint16_t flags) const {
    while (at < text_.size()) {
      const ScanChar c = this->at(at);
      if ((c.flags & flags) != 0) break;
      at += c.length;
    }
    return at;
  }

 private:
  ScanChar wide(size_t at, uint8_t first) const {
    const auto next = [&](size_t i) { return static_cast<uint8_t>(text_[at + i]); };
    if (first >= 0xC2 && first < 0xE0 && at + 1 < text_.size() && (next(1) & 0xC0) == 0x80) {
      return {table_.flags(static_cast<char32_t>((first & 0x1F) << 6 | (next(1) & 0x3F))), 2};
    }
    if (first > 0xE0 && first < 0xED && at + 2 < text_.size() && (next(1) & 0xC0) == 0x80 && (next(2) & 0xC0) == 0x80) {
      return {table_.flags(static_cast<char32_t>((first & 0xF) << 12 | (next(1) & 0x3F) << 6 | (next(2) & 0x3F))), 3};
    }
    const Utf8Step step = decode_utf8(text_.substr(at));
    return {step.valid ? table_.flags(step.code_point) : uint16_t{kOtherC}, static_cast<uint32_t>(step.length)};
  }

  std::string_view text_;
  const CharTable& table_;
};

}  // namespace linnet
