// Works through a JSONL file of prompts: one line of output for each line that is not blank, in their order. A line
// that cannot be answered gets a line that says why, and the rest goes on. Thread safety: one batch at a time in a
// process, for its progress is on standard error.
#pragma once

#include <functional>
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

// The output for one prompt, an object. An error becomes {"error": "..."}; kCancelled ends the batch, as `cancel` does.
using BatchAnswer = std::function<Result<Json>(const JsonObject& prompt)>;

// An "id" of a prompt stands first in its output. Each line is out before the next prompt is begun.
// Errors: unreadable input, output that cannot be written or is there without `resume` (kUsage), kCancelled with how
// many are done, and at the end how many of how many failed, also of those that an earlier run left in `output`.
Status run_batch(const BatchOptions& options, const BatchAnswer& answer, const CancelToken& cancel);

}  // namespace linnet::cli
