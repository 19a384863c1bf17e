// The forms of data that eval knows: by which fields each is recognised, and how a row becomes an item.
// Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/rows.hpp"
#include "eval/task.hpp"

namespace linnet {

inline constexpr size_t kMaxLabels = 200;

struct Form {
  const char* name;  // its fields, as people name them
  bool (*matches)(const std::vector<Row>& rows);
  // Fills in what belongs to the form, not to an item; task.name and task.path are known.
  void (*describe)(Task& task);
  // Errors name the field; `place` is file and line.
  Result<TaskItem> (*read)(const Row& row, const Task& task, const std::string& place);
};

// The first form that matches; nullptr where none does.
const Form* find_form(const std::vector<Row>& rows);
// All forms' names, for an error.
std::string known_forms();

}  // namespace linnet
