#include "data/xlsx_dates.hpp"

#include <chrono>
#include <cmath>
#include <fmt/format.h>

namespace linnet {

bool is_date_format(uint32_t id, std::string_view code) {
  // 27 to 36 and 50 to 58 are dates in East Asian versions.
  if ((id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) || (id >= 50 && id <= 58)) return true;
  char quote = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\\' || c == '_' || c == '*') {
      ++i;  // the next character stands for itself
    } else if (c == '"') {
      quote = c;
    } else if (c == '[') {
      // [h] and [mm] are times, [Red] and [$€-407] are not.
      const char next = i + 1 < code.size() ? code[i + 1] : ' ';
      if (next == 'h' || next == 'm' || next == 's') return true;
      quote = ']';
    } else if (c == 'y' || c == 'd' || c == 'h' || c == 'm' || c == 's' || c == 'Y' || c == 'D' || c == 'H' ||
               c == 'M') {
      return true;
    }
  }
  return false;
}

std::optional<std::string> date_of_serial(double serial, bool from_1904) {
  using namespace std::chrono;
  constexpr double kYear10000 = 2958466;
  if (!(serial >= 0 && serial < kYear10000)) return std::nullopt;
  auto days_part = static_cast<int>(std::floor(serial));
  auto seconds = static_cast<int>(std::lround((serial - days_part) * 86400));
  if (seconds == 86400) {
    ++days_part;
    seconds = 0;
  }
  std::string text;
  if (days_part > 0 || from_1904) {
    // Excel holds 1900 for a leap year: its day 60 never was.
    const sys_days origin = from_1904 ? sys_days(1904y / 1 / 1) : sys_days(1899y / 12 / (days_part < 60 ? 31 : 30));
    const year_month_day date(origin + days(days_part));
    text = fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()));
  }
  if (seconds == 0 && !text.empty()) return text;
  if (!text.empty()) text += ' ';
  text += fmt::format("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
  if (seconds % 60 != 0) text += fmt::format(":{:02}", seconds % 60);
  return text;
}

}  // namespace linnet
