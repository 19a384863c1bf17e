// linnet: reads the command line, runs one verb, turns its result into an exit code.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>

#include <CLI/CLI.hpp>

#include "base/log.hpp"
#include "base/similar.hpp"
#include "base/terminal.hpp"
#include "cli/verbs.hpp"

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

// An argument that the command line has no place for: named, with what may have been meant.
Error unexpected(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  const auto flag = std::find_if(extras.begin(), extras.end(), [](const auto& word) { return word.starts_with('-'); });
  const std::string& word = flag != extras.end() ? *flag : extras.front();
  const auto verbs = app.get_subcommands();
  const CLI::App& verb = verbs.empty() ? app : *verbs.front();
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) names.push_back(option->get_name());
  const std::string meant = did_you_mean(word, names);
  const std::string help = verbs.empty() ? "linnet --help" : "linnet " + verb.get_name() + " --help";
  const std::string what = word.starts_with('-') ? "there is no flag " : "there is no place for ";
  return usage_error(what + without_controls(word), meant.empty() ? "see " + help : meant);
}

int run(int argc, char** argv) {
  CLI::App app{"Linnet: from a pile of text to a small language model that does your job, on your own machine."};
  app.set_version_flag("--version", "linnet " LINNET_VERSION);
  app.require_subcommand(1);
  app.footer("Help on a verb: linnet VERB --help");
  std::map<const CLI::App*, Job> jobs;
  for (const Verb& verb : verbs()) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
    sub->group(verb.group);
    Arguments arguments(*sub);
    jobs[sub] = verb.declare(arguments);
    // A verb's own footer stands before its example.
    const std::string notes = sub->get_footer();
    sub->footer((notes.empty() ? "" : notes + "\n\n") + "Example:\n  " + verb.example);
  }
  const std::vector<std::string> names = verb_names();
  if (argc > 1 && argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    const std::string meant = did_you_mean(argv[1], names);
    return report(
        usage_error("there is no verb " + without_controls(argv[1]), meant.empty() ? "see linnet --help" : meant));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    return report(unexpected(app));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsedWrongly;
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
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "linnet: out of memory\n  close other programs, or take a smaller model\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "linnet: internal error: %s\n", error.what());
  }
  return kFailed;
}
