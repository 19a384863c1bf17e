// Text in the units that scores count: as Python's str methods cut it, since the programs that define the scores are
// written in Python. Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace linnet {

// Python's str.isspace() of one character: White_Space, and the separators U+001C to U+001F.
bool is_space(char32_t c);
// Python's str.split(): what lies between runs of spaces. Borrows `text`.
std::vector<std::string_view> split_words(std::string_view text);
// Without spaces at the end.
std::string_view strip_end(std::string_view text);
// Without spaces at both ends.
std::string_view strip(std::string_view text);
// Python's str.lower(), but for the Greek sigma at the end of a word.
std::string lowercase(std::string_view text);
// Invalid bytes become U+FFFD.
std::u32string to_code_points(std::string_view text);
// A letter or a number of any script: Python's str.isalnum().
bool is_alphanumeric(char32_t c);

}  // namespace linnet
