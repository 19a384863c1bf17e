// Template text to tree. Grammar and messages: jinja2 3.1, parser.py, with the extensions loopcontrols and
// transformers' {% generation %}.
// Thread safety: pure function.
#pragma once

#include <string_view>

#include "text/jinja/ast.hpp"

namespace linnet::jinja {

// `source` is valid UTF-8. Throws Fault (kSyntax, kLimit, kUnsupported) with its line.
Body parse(std::string_view source);

}  // namespace linnet::jinja
