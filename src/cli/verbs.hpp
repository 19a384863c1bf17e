// Every verb, in the order of `linnet --help`.
#pragma once

#include <span>

#include "cli/verb.hpp"

namespace linnet::cli {

std::span<const Verb> verbs();

}  // namespace linnet::cli
