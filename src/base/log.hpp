// Messages for the person at the terminal, on standard error; standard output is for results.
// Thread safety: every line is written in one piece.
#pragma once

#include <fmt/core.h>
#include <string_view>

namespace linnet {

enum class LogLevel { kQuiet, kWarning, kInfo, kDebug };

// From LINNET_LOG=quiet|warning|info|debug; warning when unset.
LogLevel log_level();
void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() >= LogLevel::kWarning) log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() >= LogLevel::kInfo) log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_level() >= LogLevel::kDebug) log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace linnet
