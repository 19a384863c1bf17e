// A model at a task, item by item.
// Ownership: borrows all of the subject. Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "engine/session.hpp"
#include "eval/item_log.hpp"
#include "eval/task.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// The tokens of a conversation through a model's chat template, up to where its reply begins. examples: requests with
// their replies, before the last request.
struct ChatExample {
  std::string request;
  std::string reply;
};
using ChatRenderer =
    std::function<Result<std::vector<int32_t>>(std::span<const ChatExample> examples, const std::string& request)>;

// What replies in place of the model's own writing: a taught list of questions.
using Responder = std::function<Result<std::string>(const std::string& request)>;

// What is measured.
struct Subject {
  const Transformer& model;
  Context& ctx;
  const Tokenizer& tokenizer;
  std::vector<int32_t> end_tokens;
  int64_t max_tokens = 0;  // of prompt and what follows it together
  DType kv_dtype = DType::kF32;
};

struct RunOptions {
  int64_t limit = 0;            // only the first items; 0: all
  uint64_t seed = 0;            // above 0: few-shot examples are drawn; 0: the pool's first
  bool skip_long = false;       // leave out what does not fit, instead of an error
  bool instruct = true;         // in a chat, say the task's instruction
  ChatRenderer chat = {};       // absent: plain prompts
  float frequency_penalty = 0;  // of what is written (engine/sampler.hpp)
  Responder reply = {};         // where there is one, it is asked what would be written, one request at a time
};

struct RunResult {
  std::vector<ItemRecord> items;  // that are done, in order
  int64_t planned = 0;
  int64_t skipped = 0;  // were too long
  double seconds = 0;
  bool cancelled = false;
};

// What stands before every plain prompt of the task: its preamble and examples, the same for each item.
std::string plain_prefix(const Task& task, const RunOptions& options);

// Runs the items, likelihoods in order, what is written as it ends. `on_item` hears of each as it is done; its error
// ends the run. Cancelling is no error: what is done is returned. Errors: an item that does not fit (both numbers)
// without skip_long; those of the model.
Result<RunResult> run_task(const Task& task, const Subject& subject, const RunOptions& options,
                           const std::function<Status(const ItemRecord&)>& on_item, const CancelToken& cancel,
                           const std::function<void(int64_t done, int64_t all)>& progress);

}  // namespace linnet
