// The scanner of a pattern that is known by its spelling.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/matcher.hpp"

namespace linnet {

// Null where no scanner gives what `pattern` matches.
std::unique_ptr<Matcher> known_scanner(std::string_view pattern, PatternDialect dialect);

// `pattern` with the spellings that mean the same made one: how contractions are written, possessive quantifiers.
std::string canonical_pattern(std::string_view pattern);

}  // namespace linnet
