// A teacher's own answers in the place of those of the data: distillation from text (Kim & Rush 2016,
// arXiv:1606.07947). What it wrote is kept, so that the same question is not asked twice, also where the writing was
// cut short.
//
// The file: cache_dir()/teacher/KEY.jsonl, a line an answer: {"n": number of the sample, "text": …, "whole": whether it
// ended by itself}. Thread safety: one process at a time writes a file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "data/sample.hpp"
#include "tasks/teacher.hpp"

namespace linnet {

struct TeacherWriting {
  float temperature = 0;             // 0: the likeliest answers
  uint64_t seed = 0;                 // of the others
  std::string system = {};           // message of conversations that have none of their own
  int64_t most_tokens = 512;         // of an answer
  std::filesystem::path cache = {};  // a folder
};

// How many samples were left out.
struct LeftOut {
  size_t unfinished = 0;  // their answer did not end within most_tokens
  size_t empty = 0;       // the teacher said nothing
  size_t too_long = 0;    // their prompt does not fit the teacher
};

// Each of `samples` (conversations) with its last reply written by the teacher, by its own template, from all that
// stands before; one that ends with a question gets a reply to it. Earlier replies are not learned. Errors: a teacher
// without a template; a sample in which nothing is asked, and those of the template, at the sample's place; cancelled,
// after what was written is kept.
Result<LeftOut> let_teacher_write(const Teacher& teacher, Runtime& runtime, const TeacherWriting& settings,
                                  std::vector<Sample>& samples, const CancelToken* cancel,
                                  const ProgressCallback& progress);

}  // namespace linnet
