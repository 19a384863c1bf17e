// What may stand at the end of a command line that is being typed: verbs, flags, names of models.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.hpp"

namespace linnet::cli {

struct CompletionSource {
  std::vector<std::string> verbs;
  std::vector<ArgumentKind> arguments;  // of the verb that was typed; empty while there is none
  std::vector<std::string> models;      // what a MODEL may be
};

// `typed`: the words after the program's name; the last, perhaps empty, is the one being typed. The words that may
// stand in its place, sorted; none where anything may stand, such as a text or the name of a file.
std::vector<std::string> completion_words(const CompletionSource& source, const std::vector<std::string>& typed);

}  // namespace linnet::cli
