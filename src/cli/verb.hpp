// The pattern that every verb follows: one file verb_NAME.cpp, which declares its flags and what they do, and one line
// in verbs.cpp.
//
// A verb's function gets the CLI11 subcommand, adds its options and returns the job; the job runs after parsing and
// returns ok or the error that main prints. Exit codes: 0 done, 1 the job failed, 2 used wrongly, 130 stopped.
#pragma once

#include <functional>
#include <string>

#include <CLI/App.hpp>

#include "base/result.hpp"

namespace linnet::cli {

using Job = std::function<Status()>;

struct Verb {
  const char* name;
  const char* summary;  // one line for `linnet --help`
  const char* example;  // shown at the end of `linnet NAME --help`
  const char* group;
  Job (*declare)(CLI::App& app);
};

Job declare_chat(CLI::App& app);
Job declare_completion(CLI::App& app);
Job declare_doctor(CLI::App& app);
Job declare_embed(CLI::App& app);
Job declare_export(CLI::App& app);
Job declare_generate(CLI::App& app);
Job declare_list(CLI::App& app);
Job declare_logits(CLI::App& app);
Job declare_next(CLI::App& app);
Job declare_pull(CLI::App& app);
Job declare_rm(CLI::App& app);
Job declare_show(CLI::App& app);
Job declare_template(CLI::App& app);
Job declare_tokens(CLI::App& app);
Job declare_verify(CLI::App& app);

}  // namespace linnet::cli
