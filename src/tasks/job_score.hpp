// The score that a written job is judged by, measured while it is learned: a few of the samples that were held out are
// answered by the likeliest tokens, and the replies scored as `linnet eval` scores them (eval/task_score.hpp).
//
// How many are asked, and how often, hangs on the data and the plan alone, never on a clock: a run that goes on has the
// same scores. Ownership: borrows template and tokenizer. Thread safety: one thread at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "eval/run_task.hpp"
#include "text/chat_template.hpp"
#include "train/loop.hpp"

namespace linnet {

// `samples` as something to be asked and scored, in an order by `seed`: of `form`, which is the dataset's or a test
// list for its questions. Nothing for what has no score.
std::optional<Task> scored_task(const Dataset& dataset, const std::vector<Sample>& samples, DataForm form,
                                uint64_t seed);

// How the model is asked.
struct JobAsking {
  const ChatTemplate* chat_template = nullptr;
  const Tokenizer* tokenizer = nullptr;
  std::vector<int32_t> end_tokens = {};
  std::string system = {};  // what it is told first; empty: nothing
  double frequency_penalty = 0;
  int64_t longest = 0;  // tokens of a prompt with its reply, at most
  DType kv_dtype = DType::kF32;
  uint64_t seed = 0;  // of the choice of samples
};

// A text of a sample that is shown to people: on one line, and not too long.
std::string shown_text(const std::string& text);

// How much is learned beside it.
struct JobWork {
  double tokens = 0;        // of the whole run
  int64_t evaluations = 0;  // about
};

class JobScore {
 public:
  struct Measured {
    std::vector<Score> scores;
    std::string sample;  // one of the samples with the reply, for people
  };

  // Nothing where no sample is held out, or none that has a score: plain text, whole conversations, preferences
  // (tasks/shown_sample.hpp shows one of them). Pairs and summaries have the score that decides (deciding_score), all
  // others exact_match and f1.
  static Result<std::optional<JobScore>> prepare(const Dataset& dataset, const JobAsking& asking, const JobWork& work);

  size_t items() const { return task_.items.size(); }
  // Every so many evaluations.
  int64_t every() const { return every_; }
  // About what one measurement costs, in tokens that are taught.
  double cost() const { return cost_; }
  // Of the cache that replies are written with.
  int64_t cache_bytes(const Transformer& model) const;

  // Errors: cancelled; logits that are not finite.
  Result<Measured> measure(Context& ctx, const Transformer& model, const CancelToken& cancel) const;

 private:
  JobScore(Task task, const JobAsking& asking) : task_(std::move(task)), asking_(asking) {}

  // Keeps what `work` leaves room for.
  Status choose(const JobWork& work);
  ChatRenderer renderer() const;

  Task task_;
  JobAsking asking_;
  int64_t most_tokens_ = 0;  // of a prompt with its reply
  int64_t every_ = 1;
  double cost_ = 0;
};

}  // namespace linnet
