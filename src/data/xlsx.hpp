// Spreadsheets as Excel writes them: Office Open XML (ECMA-376), a zip file of XML parts. Readers: libzip, pugixml.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "data/rows.hpp"

namespace linnet {

// The cells of the sheet that is called `sheet`, or of the first that is not hidden where `sheet` is empty. Rows
// without a text are left out, short rows filled up. Dates are given as 2020-02-29, other numbers as they are stored
// (prices have no currency, percents are fractions): whoever wants them as shown makes them text. Errors: not such a
// file, protected by a password, no such sheet (with those that there are), a cell with an error (#N/A, named as in
// "B7"), parts that unpack to more than 64 MiB, more rows, columns or cells than the limits. `bytes` is the file,
// `place` its name; other sheets are told in `said`, where there are any.
Result<Table> parse_xlsx(std::string_view bytes, const std::string& sheet, const std::string& place, std::string& said);

}  // namespace linnet
