// What every step of training a tokenizer is given to work with.
// Ownership: borrows all of it.
#pragma once

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "base/thread_pool.hpp"

namespace linnet {

struct TrainingRun {
  ThreadPool& pool;
  const CancelToken& cancel;
  ProgressCallback progress = [](const Progress&) {};  // called by the thread that trains only
};

}  // namespace linnet
