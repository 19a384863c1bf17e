// How well a model foresees a text, and how far another model is from it: the part of eval that needs no task.
// Thread safety: one at a time in a process, for its progress is on standard error.
#pragma once

#include <string>

#include "cli/common.hpp"

namespace linnet::cli {

struct TextFlags {
  ModelFlags model;
  std::string path;  // "-": standard input
  std::string against;
  std::string against_kv;
  int64_t window = 0;  // these two as window_for() takes them
  int64_t stride = 0;
  int64_t tokens = 0;  // 0: all
  bool no_bos = false;
  bool json = false;
};

// Prints what score_text() finds. Errors: kUsage for a stride or a window that has no meaning, an unreadable text, two
// models with other tokens, kCancelled.
Status run_text_eval(const TextFlags& flags);

}  // namespace linnet::cli
