// The forms of data that only measuring knows: those of well-known benchmarks. Others are data/form.hpp's.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "data/rows.hpp"
#include "eval/task.hpp"

namespace linnet {

struct BenchmarkForm {
  const char* name;  // its fields, as people name them
  bool (*matches)(const Json& first_row);
  // Fills in what belongs to the form, not to an item; task.name and task.path are known.
  void (*describe)(Task& task);
  // Errors name the field; `place` is file and line.
  Result<TaskItem> (*read)(const Row& row, const std::string& place);
};

// The first form that fits the fields of the first of `rows`, which are not empty; nullptr where none does.
const BenchmarkForm* find_benchmark_form(const std::vector<Row>& rows);
// All forms' names, one a line, for an error.
std::string list_of_benchmark_forms();

}  // namespace linnet
