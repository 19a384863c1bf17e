// Text in lines that fit a terminal. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace linnet::cli {

// The words of `text` (UTF-8, one line) in lines of up to `width` characters; a longer word has a line of its own.
std::vector<std::string> wrap_words(std::string_view text, size_t width);

}  // namespace linnet::cli
