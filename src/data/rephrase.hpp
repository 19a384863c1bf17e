// Other ways of typing an English question: shortened, misspelt, with a greeting, in chat's spelling. What an encoder
// is taught with where a list has one phrasing an answer (compare "EDA", Wei & Zou 2019, arXiv:1901.11196).
// Thread safety: pure functions.
#pragma once

#include <string>

#include "base/random.hpp"

namespace linnet {

// Another spelling of `question`, mostly with the same meaning; now and then the same text in lower case. Bytes that
// are not ASCII stay as they are.
std::string rephrase(const std::string& question, Random& random);

}  // namespace linnet
