#include "base/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace linnet {

namespace {

struct Lead {
  int length;                 // of the whole sequence; 0 where the byte cannot begin one
  unsigned char second_low;   // the range of the second byte excludes overlongs, surrogates and > U+10FFFF
  unsigned char second_high;  // (table 3-7 of the Unicode standard)
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Step decode_utf8(std::string_view text) {
  if (text.empty()) return {};
  const auto byte_at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte_at(0);
  const Lead lead = lead_of(first);
  if (lead.length == 1) return {first, 1, true};
  if (lead.length == 0) return {kReplacementCharacter, 1, false};
  char32_t value = first & (0x7F >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    const unsigned char low = i == 1 ? lead.second_low : 0x80;
    const unsigned char high = i == 1 ? lead.second_high : 0xBF;
    if (static_cast<size_t>(i) >= text.size() || byte_at(i) < low || byte_at(i) > high) {
      return {kReplacementCharacter, i, false};
    }
    value = value << 6 | (byte_at(i) & 0x3F);
  }
  return {value, lead.length, true};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

size_t first_invalid_utf8(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t at = 0;
  while (at < text.size()) {
    uint64_t eight = 0;
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & kHighBits) == 0) {  // ASCII
        at += sizeof eight;
        continue;
      }
    }
    const Utf8Step step = decode_utf8(text.substr(at));
    if (!step.valid) return at;
    at += static_cast<size_t>(step.length);
  }
  return at;
}

bool is_valid_utf8(std::string_view text) {
  return first_invalid_utf8(text) == text.size();
}

size_t incomplete_utf8_tail(std::string_view text) {
  const size_t longest = std::min<size_t>(3, text.size());
  for (size_t back = 1; back <= longest; ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const Lead lead = lead_of(byte);
    if (lead.length <= static_cast<int>(back)) return 0;
    // Complete nothing that is already broken: "E0 80" can never become a character.
    const Utf8Step step = decode_utf8(text.substr(text.size() - back));
    return step.length == static_cast<int>(back) ? back : 0;
  }
  return 0;
}

}  // namespace linnet
