// JSON Lines, and lists of objects in JSON.
// Thread safety: pure functions.
#pragma once

#include <string_view>

#include "data/rows.hpp"

namespace linnet {

// `text` (UTF-8) that begins with "[" is one list of objects; else each line that is not empty is an object. A row's
// number is the line where its object begins, or its place in the list, from 1, where one line has several. Errors name
// it: bad JSON, a value that is no object, more rows than kMostRows, text behind the list. Of lines, which do not hang
// on each other, bad ones can be left out.
Result<Rows> parse_json_rows(std::string_view text, const std::string& place, BadRows bad = BadRows::kError);

}  // namespace linnet
