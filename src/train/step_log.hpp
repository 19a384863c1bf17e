// A JSON line for each step of a run that may be killed at any moment and go on: steps that will be done again are
// forgotten. Thread safety: one thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "base/json.hpp"
#include "base/part_file.hpp"

namespace linnet {

class StepLog {
 public:
  // Keeps the lines of `path` whose "step" lies below `steps`, up to the first that has none or was cut, and hands each
  // to `kept`. Errors: a line that is no JSON; unreadable, unwritable.
  static Result<StepLog> open(const std::filesystem::path& path, int64_t steps,
                              const std::function<void(const Json& line)>& kept = nullptr);

  // Appends an object that has a "step".
  Status write(const Json& line);
  // What was written outlives a power cut.
  Status flush() { return file_.flush(); }

 private:
  explicit StepLog(PartFile file) : file_(std::move(file)) {}

  PartFile file_;
};

// The lines of such a file; of one that is not there, none.
Result<std::vector<Json>> read_step_log(const std::filesystem::path& path);

}  // namespace linnet
