// What was read to be learned from, as something to measure by: of the forms of data/form.hpp, those that have a score.
// Thread safety: pure functions.
#pragma once

#include "data/sample.hpp"
#include "eval/task.hpp"

namespace linnet {

// Fills in task.items, an item a sample and in their order, and all of the task that hangs on the form; task.name and
// task.path are known. `pairs`: of prompts and completions, that they are sentences in two languages. A chat is asked
// as `tune` teaches: item.request is what the sample's user says. Errors: a form without a score, a sample that has
// nothing to compare with, a system message.
Status read_sample_items(const Samples& samples, bool pairs, Task& task);

}  // namespace linnet
