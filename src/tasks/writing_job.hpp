// Jobs whose replies are compared with a person's: phrases that are translated (or otherwise said anew), and texts that
// are summarised. What `linnet tune` chooses for them, and what tests them.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.hpp"
#include "eval/task.hpp"

namespace linnet {

// How a conversation is written for a model that was not made for any: what is said, "Reply:", and the reply up to the
// token that ends a text.
inline constexpr const char* kPlainTemplate =
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% if message['role'] == 'assistant' %}"
    "{{ eos_token }}{% elif message['role'] == 'user' %}{{ '\\n\\nReply:\\n' }}{% else %}{{ '\\n\\n' }}{% endif %}"
    "{% endfor %}";

// What is chosen without a flag. Not chosen by measurement yet: bench/jobs/split.py makes the parts to do that on.
struct WritingRecipe {
  const char* base;
  double rate;           // the highest, of the base
  int64_t most_epochs;   // more bring nothing
  int64_t batch;         // tokens of a step, about
  int64_t input_tokens;  // of an input, what is beyond is cut off
  // Of what is written (engine/sampler.hpp): a small model that writes a list greedily says one point again and again.
  double frequency_penalty = 0;
};

struct WritingJob {
  TaskKind kind = TaskKind::kTranslation;  // or kSummary
  std::string name = {};                   // of its data: "en-de"
  std::string system = {};                 // what the model is told first; may be empty
  WritingRecipe recipe = {};
};

// What the data is for, if it is such a job: texts with summaries; pairs (FormMatch::pairs), or prompts and completions
// of a file that is called after two languages. Pairs of long texts with short ones are summaries.
std::optional<WritingJob> find_writing_job(const Dataset& dataset);

// Samples as something to be asked: phrases with all their translations once, in an order by `seed`. Numbers of items
// count the samples from 1. Errors: a sample without a reply, or with a system message of its own.
Result<Task> writing_task(const WritingJob& job, const std::vector<Sample>& samples, uint64_t seed);

// The score that decides which of two ways of writing is better: "chrf", "rougeL".
std::string_view deciding_score(TaskKind kind);

}  // namespace linnet
