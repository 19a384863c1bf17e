// Asks a model what a job asks (tasks/writing_job.hpp), as long as there is time.
// Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "eval/item_log.hpp"

namespace linnet {

struct Asking {
  std::string model = {};   // a MODEL of any kind that writes
  std::string system = {};  // what it is told first; empty: nothing
  bool instruct = false;    // the task's instruction stands before each request;
                            // a model without a chat template is asked as plain text
  double frequency_penalty = 0;
  int64_t prompt_tokens = 0;  // room for a prompt
  int threads = 0;
  bool skip_long = false;  // leave out what does not fit, instead of an error
  double seconds = 0;      // when they have passed, no more items are begun; 0: all are asked
};

// What the model writes to task.items in their order, by the likeliest token each, up to task.max_tokens; at least the
// first few. In the order of the items' numbers. Errors: cancelled; those of loading; a prompt that does not fit.
Result<std::vector<ItemRecord>> ask_model(const Task& task, const Asking& asking, const CancelToken& cancel,
                                          const std::function<void(int64_t done, int64_t all)>& progress);

// The same of a reply that needs no model.
std::vector<ItemRecord> answer_all(const Task& task,
                                   const std::function<std::string(const std::string& request)>& reply);

}  // namespace linnet
