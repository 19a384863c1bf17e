// What the terminal can show.
#pragma once

#include <string>
#include <string_view>

namespace linnet {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();
// Columns of the terminal on standard error or output; 80 where there is none.
int terminal_columns();
// Whether to colour what goes to standard output: a terminal, and neither NO_COLOR nor TERM=dumb is set.
bool stdout_has_colour();
// `text` (whole UTF-8 characters) without what could steer a terminal: control characters except tab and new line.
std::string without_controls(std::string_view text);

}  // namespace linnet
