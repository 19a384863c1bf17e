// Comma- and tab-separated values: RFC 4180, with what is found in the wild: lines that end in LF or CR alone, empty
// lines, semicolons where a spreadsheet's language writes numbers with a comma.
// Thread safety: pure functions.
#pragma once

#include <string_view>

#include "data/rows.hpp"

namespace linnet {

// Which of , ; and tab separates the fields of the first record: the one that stands there most often outside of
// quotes.
char guess_delimiter(std::string_view text);

// The records of `text` (UTF-8, without byte order mark). A field that begins with a quote ends at the next one that is
// not doubled; elsewhere a quote is a character like others. Empty lines are left out. In tab-separated files, which
// are often written without quoting, a field that begins with a quote but is not quoted as a whole is taken as it
// stands. Errors name the line: a quote that is never closed, text behind a closing quote, more columns, cells or rows
// than the limits.
Result<Table> parse_csv(std::string_view text, char delimiter, const std::string& place);

}  // namespace linnet
