// linnet: reads the command line, runs one verb, turns its result into an exit code.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "base/log.hpp"
#include "base/similar.hpp"
#include "base/strings.hpp"
#include "base/terminal.hpp"
#include "cli/verbs.hpp"
#include "cli/wrap.hpp"

#ifndef LINNET_VERSION
#define LINNET_VERSION "0.1.0"
#endif

namespace {

using namespace linnet;       // NOLINT(google-build-using-namespace)
using namespace linnet::cli;  // NOLINT(google-build-using-namespace)

constexpr int kFailed = 1;
constexpr int kUsedWrongly = 2;
constexpr int kStopped = 130;

int report(const Error& error) {
  std::fprintf(stderr, "linnet: %s\n", error.to_string().c_str());
  if (error.code == ErrorCode::kCancelled) return kStopped;
  return error.code == ErrorCode::kUsage ? kUsedWrongly : kFailed;
}

std::vector<std::string> verb_names() {
  std::vector<std::string> names;
  for (const Verb& verb : verbs()) names.emplace_back(verb.name);
  return names;
}

// How an argument stands in --help: what its value is, without CLI11's types and capitals; what it does, in lines that
// fit the terminal, and what it is as it comes.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
    // One empty line between groups is enough.
    for (size_t at = 0; (at = help.find("\n\n\n", at)) != help.npos;) help.erase(at, 1);
    return help;
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    constexpr int kNarrowest = 60;
    constexpr int kWidest = 110;  // longer lines are hard to read
    const size_t column = get_column_width();
    const auto columns = static_cast<size_t>(std::clamp(terminal_columns(), kNarrowest, kWidest));
    std::string text = "  " + make_option_name(option, is_positional) + make_option_opts(option);
    bool begins = text.size() + 1 > column;  // what it does begins on a line of its own
    if (!begins) text.resize(column, ' ');
    const std::string said = make_option_desc(option);
    for (const std::string_view paragraph : lines_of(said)) {
      for (const std::string& line : wrap_words(paragraph, columns - column)) {
        if (begins) text += "\n" + std::string(column, ' ');
        text += line;
        begins = true;
      }
    }
    return text + "\n";
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    const std::string usual = option->get_default_str();
    // What "0" and "-1" stand for is said in words.
    if (usual.empty() || usual == "0" || usual == "-1") return text;
    return text.insert(std::min(text.find('\n'), text.size()), " [" + usual + "]");
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    const bool takes_value = option->get_items_expected_max() > 0 && !option->get_positional();
    if (takes_value) text += option->get_type_name() == "TEXT" ? " TEXT" : " NUMBER";
    if (option->get_items_expected_max() > 1) text += " ...";
    if (option->get_required() && !option->get_positional()) text += " (required)";
    return text;
  }
};

void add_verbs(CLI::App& app, std::map<const CLI::App*, Job>& jobs) {
  for (const Verb& verb : verbs()) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
    sub->group(verb.group);
    Arguments arguments(*sub);
    jobs[sub] = verb.declare(arguments);
    // A verb's own footer stands before its example.
    const std::string notes = sub->get_footer();
    sub->footer((notes.empty() ? "" : notes + "\n\n") + "Example:\n  " + verb.example);
  }
}

// What is wrong with the first word of the command line; nothing when it is a verb or a flag of linnet itself.
std::optional<Error> check_first_word(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names = verb_names();
  const bool flag = word.starts_with('-');
  if (flag ? app.get_option_no_throw(word) != nullptr : std::find(names.begin(), names.end(), word) != names.end()) {
    return std::nullopt;
  }
  names.insert(names.end(), {"help", "--help", "--version"});
  const std::string meant = did_you_mean(word, names);
  return usage_error((flag ? "there is no flag " : "there is no verb ") + without_controls(word),
                     meant.empty() ? "see linnet --help" : meant);
}

// An argument that the command line has no place for: named, with what may have been meant.
Error unexpected(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  const auto flag = std::find_if(extras.begin(), extras.end(), [](const auto& word) { return word.starts_with('-'); });
  const std::string& word = flag != extras.end() ? *flag : extras.front();
  const CLI::App& verb = *app.get_subcommands().front();
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) names.push_back(option->get_name());
  const std::string meant = did_you_mean(word, names);
  const std::string what = word.starts_with('-') ? "there is no flag " : "there is no place for ";
  return usage_error(what + without_controls(word),
                     meant.empty() ? "see linnet " + verb.get_name() + " --help" : meant);
}

int run(std::vector<std::string> words) {
  CLI::App app{"Linnet: from a pile of text to a small language model that does your job, on your own machine.",
               "linnet"};
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", "linnet " LINNET_VERSION);
  app.require_subcommand(1);
  std::map<const CLI::App*, Job> jobs;
  add_verbs(app, jobs);
  app.footer("Help on a verb: linnet VERB --help");
  if (words.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return kUsedWrongly;
  }
  // `linnet help VERB` is `linnet VERB --help`.
  const bool help = words.front() == "help";
  while (!words.empty() && words.front() == "help") words.erase(words.begin());
  if (help) words.emplace_back("--help");
  if (const auto wrong = check_first_word(app, words.front())) return report(*wrong);
  const std::string verb = words.front();
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them from the end
  } catch (const CLI::ExtrasError&) {
    return report(unexpected(app));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return report(usage_error(without_controls(error.what()), "see linnet " + verb + " --help"));
  }
  const Status status = jobs.at(app.get_subcommands().front())();
  if (!status.ok()) return report(status.error());
  // Output that could not be written (a full disk, a closed pipe) is a failure too.
  if (std::fflush(stdout) != 0) return report(io_error("cannot write the output"));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + std::min(argc, 1), argv + argc});
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "linnet: out of memory\n  close other programs, or take a smaller model\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "linnet: internal error: %s\n", error.what());
  }
  return kFailed;
}
