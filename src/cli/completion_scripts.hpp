// The scripts that `linnet completion` prints: data/completion, which CMake makes part of the program.
#pragma once

#include <string_view>

namespace linnet::cli {

std::string_view bash_completion();
std::string_view zsh_completion();
std::string_view fish_completion();

}  // namespace linnet::cli
