// The command line of one verb: what it takes, and where each value goes.
//
// In front of CLI11, whose templates cost every file that sees them fifteen seconds of compiling: arguments.cpp and
// main.cpp see them, no verb does.
// Ownership: borrows the CLI11 subcommand and the variables that values are written to. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace linnet::cli {

// One argument that takes a value. A value that does not pass a check ends the program with exit code 2 and the reason.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}

  const Argument& required() const;
  const Argument& in_range(int low, int high) const;
  const Argument& in_range(double low, double high) const;
  // -1 leaves the choice to the program.
  const Argument& in_range_or_minus_one(double low, double high) const;
  const Argument& positive() const;
  // For what is written: a name that a script left empty would be the current folder, or nothing.
  const Argument& not_empty() const;
  const Argument& non_negative() const;
  const Argument& one_of(const std::vector<std::string>& values) const;
  // The heading under which --help lists it.
  const Argument& under(const std::string& heading) const;

 private:
  CLI::Option* option_;
};

class Arguments {
 public:
  explicit Arguments(CLI::App& app) : app_(&app) {}

  // name: "--seed", or "MODEL" for one that is known by its place. The value's first content is its default.
  // A list takes several values, or the same argument again.
  Argument add(const std::string& name, std::string& value, const std::string& help);
  Argument add(const std::string& name, std::vector<std::string>& value, const std::string& help);
  Argument add(const std::string& name, int32_t& value, const std::string& help);
  Argument add(const std::string& name, int64_t& value, const std::string& help);
  Argument add(const std::string& name, uint64_t& value, const std::string& help);
  Argument add(const std::string& name, std::vector<int64_t>& value, const std::string& help);
  Argument add(const std::string& name, float& value, const std::string& help);
  Argument add(const std::string& name, double& value, const std::string& help);
  // True when it is given.
  Argument flag(const std::string& name, bool& value, const std::string& help);
  // Text for the end of --help, before the example.
  void notes(const std::string& text);

  // Whether an argument of this verb was given, and what was typed for it. To be asked after parsing.
  bool given(const std::string& name) const;
  std::optional<std::string> typed(const std::string& name) const;

 private:
  CLI::App* app_;
};

// An argument as completion sees it.
struct ArgumentKind {
  std::string name;          // "--seed", or "MODEL" for one that is known by its place
  bool takes_value = false;  // of a flag: the next word is its value
  bool many = false;         // of one known by its place: there may be more of them
};
// What `declare` adds to a command line, in its order.
std::vector<ArgumentKind> list_arguments(const std::function<void(Arguments&)>& declare);

}  // namespace linnet::cli
