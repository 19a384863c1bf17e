// Dates in spreadsheets: numbers of days that a style shows as dates (ECMA-376, part 1, 18.8.30 and 18.17.4).
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace linnet {

// Whether a number format shows a date or a time: its built-in number, or its code ("yyyy-mm-dd", "[h]:mm").
bool is_date_format(uint32_t id, std::string_view code);

// "2020-02-29", "2020-02-29 13:30", "13:30:05"; nullopt outside of the years 1900 to 9999. `from_1904`: the workbook
// counts days from 1904, as old Macintoshes did.
std::optional<std::string> date_of_serial(double serial, bool from_1904);

}  // namespace linnet
