#include "base/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/paths.hpp"
#include "base/utf8.hpp"

namespace linnet {

bool stdin_is_terminal() {
  return ::isatty(STDIN_FILENO) == 1;
}
bool stdout_is_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}
bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

int terminal_columns() {
  for (const int fd : {STDERR_FILENO, STDOUT_FILENO}) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return 80;
}

bool stdout_has_colour() {
  return stdout_is_terminal() && !environment("NO_COLOR") && environment("TERM").value_or("") != "dumb";
}

std::string without_controls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    const char32_t c = step.code_point;
    const bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c <= 0x9F);
    if (!control) append_utf8(out, c);
    text.remove_prefix(static_cast<size_t>(step.length));
  }
  return out;
}

}  // namespace linnet
