// Works through a JSONL file of prompts: one line of output for each line that is not blank, in their order. A line
// that cannot be answered gets a line that says why, and the rest goes on. Thread safety: one batch at a time in a
// process, for its progress is on standard error.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/cancel.hpp"
#include "base/json.hpp"

namespace linnet::cli {

struct BatchOptions {
  std::string input;      // a path; "-": standard input
  std::string output;     // a path; empty: standard output
  bool resume = false;    // the prompts that have a line in `output` already are passed over
  bool progress = false;  // on standard error
};

struct BatchPrompt {
  size_t line;  // from 1
  JsonObject object;
};
// The output for prompt `place` of some, an object. An error becomes {"error": "..."}.
using BatchListener = std::function<Status(size_t place, Result<Json> output)>;
// Calls the listener, whose error it passes on, once for each of some prompts, in any order.
using BatchAnswers = std::function<Status(std::span<const BatchPrompt> prompts, const BatchListener& done)>;

// Whether `answer`, which an earlier run left and which has no id, may be one to `prompt`.
using BatchFits = std::function<bool(const JsonObject& prompt, const Json& answer)>;

// Of what answers one prompt at a time; kCancelled ends the batch.
BatchAnswers one_by_one(std::function<Result<Json>(const JsonObject& prompt)> answer);

// An "id" of a prompt stands first in its output. A line is out as soon as it and all before it are answered.
// With `resume`, what is in `output` must be answers to the first prompts: they have the same ids, and without ids
// `fits` says so where it is given. Errors: unreadable input; output that is the input, holds something else than such
// answers, cannot be written, or is there without `resume` (kUsage); kCancelled with how many are done; and at the end
// how many of how many failed, also of those that an earlier run left in `output`.
Status run_batch(const BatchOptions& options, const BatchAnswers& answers, const CancelToken& cancel,
                 const BatchFits& fits = {});

}  // namespace linnet::cli
