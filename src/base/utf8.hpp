// UTF-8 (RFC 3629): overlong forms, surrogates and values above U+10FFFF are invalid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace linnet {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct Utf8Step {
  char32_t code_point = 0;  // U+FFFD where the bytes are invalid
  int length = 0;           // bytes consumed, at least 1 unless the text is empty
  bool valid = false;
};

// The first code point of `text`. An invalid sequence consumes its longest valid prefix, or one byte (the "maximal
// subpart" practice of the Unicode standard, section 3.9).
Utf8Step decode_utf8(std::string_view text);

// Appends `code_point` (U+0000..U+10FFFF without surrogates) to `out`.
void append_utf8(std::string& out, char32_t code_point);

bool is_valid_utf8(std::string_view text);

// Offset of the first invalid byte, or text.size().
size_t first_invalid_utf8(std::string_view text);

// How many bytes at the end of `text` are the beginning of a character that is not complete yet (0 to 3).
size_t incomplete_utf8_tail(std::string_view text);

}  // namespace linnet
