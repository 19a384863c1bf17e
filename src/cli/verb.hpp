// The pattern that every verb follows: one file verb_NAME.cpp, which declares its flags and what they do, and one line
// in verbs.cpp.
//
// A verb's function declares its arguments and returns the job; the job runs after parsing and
// returns ok or the error that main prints. Exit codes: 0 done, 1 the job failed, 2 used wrongly, 130 stopped.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "cli/arguments.hpp"

namespace linnet::cli {

using Job = std::function<Status()>;

struct Verb {
  const char* name;
  const char* summary;  // one line for `linnet --help`
  const char* example;  // shown at the end of `linnet NAME --help`
  const char* group;
  Job (*declare)(Arguments& args);
};

Job declare_bench(Arguments& args);
Job declare_chat(Arguments& args);
Job declare_completion(Arguments& args);
Job declare_doctor(Arguments& args);
Job declare_embed(Arguments& args);
Job declare_eval(Arguments& args);
Job declare_export(Arguments& args);
Job declare_generate(Arguments& args);
Job declare_list(Arguments& args);
Job declare_logits(Arguments& args);
Job declare_next(Arguments& args);
Job declare_pull(Arguments& args);
Job declare_push(Arguments& args);
Job declare_quantize(Arguments& args);
Job declare_rm(Arguments& args);
Job declare_show(Arguments& args);
Job declare_template(Arguments& args);
Job declare_tokenizer(Arguments& args);
Job declare_tokens(Arguments& args);
Job declare_train(Arguments& args);
Job declare_tune(Arguments& args);
Job declare_verify(Arguments& args);

}  // namespace linnet::cli
