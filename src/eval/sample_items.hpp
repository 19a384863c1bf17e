// What was read to be learned from, as something to measure by: of the forms of data/form.hpp, those that have a score.
// Thread safety: pure functions.
#pragma once

#include "data/sample.hpp"
#include "eval/task.hpp"

namespace linnet {

// Fills in task.items, an item a sample and in their order, and all of the task that hangs on the form; task.name and
// task.path are known. A chat is asked as `tune` teaches: item.request is what the sample's user says. Errors: a form
// without a score, a sample that has nothing to compare with, a system message.
Status read_sample_items(const Samples& samples, Task& task);
// The items alone, of a task whose kind is known.
Status add_sample_items(const std::vector<Sample>& samples, Task& task);

// Of such a task, items with the same request become the first of them, with the references of all: a phrase may be
// translated in several ways, and each of them is right.
void join_references(Task& task);

// All that hangs on the task being one of summaries or translations (kSummary, kTranslation). That a file called
// "en-de" is of English and German, its instruction says.
void describe_writing(TaskKind kind, Task& task);
// Whether a task's name says two languages.
bool names_languages(const std::string& name);

}  // namespace linnet
