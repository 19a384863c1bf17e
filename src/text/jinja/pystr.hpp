// Python's str, as far as templates use it: strings are valid UTF-8, counted in code points; case, classes and white
// space are those of Python's unicodedata (full case mapping of SpecialCasing.txt, final sigma).
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linnet::jinja {

std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);
int64_t code_points(std::string_view text);

// str.isspace, isalpha, … of one character.
bool is_space(char32_t c);
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_alnum(char32_t c);
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);
bool is_line_break(char32_t c);
bool is_identifier(std::u32string_view text);
bool is_title_case(std::u32string_view text);  // str.istitle

std::u32string lower(std::u32string_view text);
std::u32string upper(std::u32string_view text);
std::u32string capitalize(std::u32string_view text);
std::u32string title(std::u32string_view text);
std::u32string swapcase(std::u32string_view text);
std::u32string casefold(std::u32string_view text);

// Where `needle` first stands in `text` from `from` on, or npos; in linear time, whatever the two are.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);

// str.splitlines. The lines borrow `text`.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// str.split() without a separator: what lies between runs of white space. The words borrow `text`.
std::vector<std::string_view> split_words(std::string_view text);
// str.strip, lstrip, rstrip of white space.
std::string_view strip_space(std::string_view text, bool left, bool right);

}  // namespace linnet::jinja
