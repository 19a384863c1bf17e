#include "base/log.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace linnet {

namespace {

LogLevel level_from_environment() {
  const char* value = std::getenv("LINNET_LOG");
  const std::string_view name = value ? value : "warning";
  if (name == "quiet") return LogLevel::kQuiet;
  if (name == "info") return LogLevel::kInfo;
  if (name == "debug") return LogLevel::kDebug;
  return LogLevel::kWarning;
}

}  // namespace

LogLevel log_level() {
  static const LogLevel level = level_from_environment();
  return level;
}

void log_line(LogLevel level, std::string_view text) {
  const char* prefix = level == LogLevel::kWarning ? "warning: " : "";
  const std::string line = fmt::format("{}{}\n", prefix, text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace linnet
