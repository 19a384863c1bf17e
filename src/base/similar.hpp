// What somebody may have meant who mistyped a word.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linnet {

// Up to three of `words` that `typed` is near to, the nearest first: `typed` begins them, or at most two characters are
// wrong, missing or too many.
std::vector<std::string> similar_words(std::string_view typed, std::span<const std::string> words);

// "did you mean chat or chart?"; empty when nothing is near.
std::string did_you_mean(std::string_view typed, std::span<const std::string> words);

}  // namespace linnet
