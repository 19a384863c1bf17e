// A taught classifier (tasks/classifier.hpp) at task files. Thread safety: one at a time in a process, for its progress
// is on standard error.
#pragma once

#include <vector>

#include "cli/eval_report.hpp"
#include "cli/eval_tasks.hpp"
#include "eval/task.hpp"

namespace linnet::cli {

// Labels the items of `tasks`. Errors: a task that is not of labelled texts, or has a label that the classifier does
// not know; flags that have no meaning here; kCancelled.
Result<std::vector<TaskReport>> run_label_eval(const TaskFlags& flags, const Classifier& classifier,
                                               const std::vector<Task>& tasks);

}  // namespace linnet::cli
