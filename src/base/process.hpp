// Other programs, run as children with an argument list; never through a shell.
// Thread safety: each call stands alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace linnet {

struct ProcessOptions {
  // The program, looked up on PATH unless it holds a slash, and its arguments.
  std::vector<std::string> command = {};
  // Set in the child over what it inherits.
  std::vector<std::pair<std::string, std::string>> environment = {};
  // Borrowed; when cancelled, the child's whole process group is ended and the call returns kCancelled.
  const CancelToken* cancel = nullptr;
  // Called about ten times a second while the child runs.
  std::function<void()> tick = {};
  // Called with each whole line of standard output, without its newline.
  std::function<void(std::string_view)> on_line = {};
  // Of each stream the last so many bytes are kept.
  size_t keep = size_t{1} << 20;
};

struct ProcessResult {
  int exit_code = 0;  // 128 + signal when a signal ended it, as a shell says it
  std::string out;    // the end of standard output
  std::string err;    // the end of standard error
};

// Runs to the end, with an empty standard input. Errors: kNotFound when there is no such program, kIo, kCancelled.
// An exit code other than 0 is not an error here.
Result<ProcessResult> run_process(const ProcessOptions& options);

}  // namespace linnet
