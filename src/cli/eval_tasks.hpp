// A model at task files: the part of eval that asks questions. Thread safety: one at a time in a process, for its
// progress is on standard error.
#pragma once

#include <string>
#include <vector>

#include "cli/common.hpp"

namespace linnet::cli {

struct TaskFlags {
  ModelFlags model;
  std::vector<std::string> files;  // or folders of such
  std::string sheet;
  std::string log;
  std::string shots_from;
  std::string prompt_template;
  int64_t limit = 0;   // 0: all items
  int64_t shots = -1;  // below 0: as the form has it
  uint64_t seed = 0;
  bool chat = false;
  bool plain = false;
  bool skip_long = false;
  bool stem = false;
  bool json = false;
};

// Runs the tasks and prints their scores; where it is stopped, of what is done, and then returns kCancelled.
Status run_task_eval(const TaskFlags& flags);
// Prints the scores of logs that an earlier run wrote.
Status score_logs(const TaskFlags& flags);
// Prints one log's scores beside the other's.
Status compare_log_files(const TaskFlags& flags);

}  // namespace linnet::cli
