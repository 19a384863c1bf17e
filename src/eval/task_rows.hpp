// The rows of a task's data file: data/files.hpp's, and what only measuring reads.
// Thread safety: pure functions.
#pragma once

#include <string>

#include "data/rows.hpp"

namespace linnet {

// As read_rows(). A file as SQuAD's gives a row for each question, with its paragraph as "context" and the article's
// "title"; its number is which question it is. Errors besides: a file that is not of such a kind, one without rows, an
// article or paragraph that is not as in SQuAD.
Result<Rows> read_task_rows(const std::string& path);

// SQuAD's "data" as rows.
Result<Rows> squad_rows(const Json& data, const std::string& place);

}  // namespace linnet
