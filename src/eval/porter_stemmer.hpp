// The Porter stemmer (Porter 1980, "An algorithm for suffix stripping") with the extensions that NLTK's PorterStemmer
// has by default, because rouge-score stems with that one. Thread safety: pure function.
#pragma once

#include <string>
#include <string_view>

namespace linnet {

// word: lower-case ASCII letters and digits.
std::string porter_stem(std::string_view word);

}  // namespace linnet
