#include "base/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/paths.hpp"

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

}  // namespace linnet
