#include "tasks/writing_job.hpp"

#include <algorithm>

#include "data/split.hpp"
#include "eval/sample_items.hpp"
#include "tasks/simple_replies.hpp"

namespace linnet {

namespace {

constexpr WritingRecipe kPhrases{
    .base = "gemma3:270m", .rate = 1e-3, .most_epochs = 3, .batch = 1024, .input_tokens = 256};
constexpr WritingRecipe kSummaries{
    .base = "smollm2", .rate = 1e-3, .most_epochs = 2, .batch = 1024, .input_tokens = 512, .frequency_penalty = 0.5};

// Epochs take the streams of a seed from 0 on, what is held out and what is taken from the top; this is in the middle.
constexpr uint64_t kAskStream = uint64_t{1} << 62;

// Whether most inputs are long texts, and replies far shorter.
bool are_summaries(const std::vector<Sample>& samples) {
  constexpr size_t kLooked = 200;
  constexpr size_t kLongText = 100;  // words
  size_t input = 0;
  size_t reply = 0;
  const size_t count = std::min(kLooked, samples.size());
  for (size_t i = 0; i < count; ++i) {
    input += count_words(phrasing_of(samples[i]));
    reply += count_words(answer_of(samples[i]));
  }
  return input > kLongText * count && 2 * reply < input;
}

// "data/en-de.tsv, line 3" -> "data/en-de.tsv"
std::string file_of(const Sample& sample) {
  return sample.place.substr(0, sample.place.rfind(", "));
}

// "Translate into German: " is told to a model that is to be taught as "Translate into German."
std::string system_of(const Task& task) {
  const size_t last = task.instruction.find_last_not_of(": \n");
  return task.instruction.substr(0, last + 1) + ".";
}

}  // namespace

std::optional<WritingJob> find_writing_job(const Dataset& dataset) {
  if (dataset.train.empty()) return std::nullopt;
  WritingJob job{.name = task_name_of(file_of(dataset.train.front()))};
  const bool languages = names_languages(job.name);
  if (dataset.form == DataForm::kSummary) {
    job.kind = TaskKind::kSummary;
  } else if (dataset.form == DataForm::kPromptCompletion && (dataset.pairs || languages)) {
    job.kind = are_summaries(dataset.train) ? TaskKind::kSummary : TaskKind::kTranslation;
  } else {
    return std::nullopt;
  }
  Task task;
  task.name = job.name;
  describe_writing(job.kind, task);
  // Pairs of which nobody says that they are two languages are perhaps none.
  if (job.kind == TaskKind::kSummary || languages) job.system = system_of(task);
  job.recipe = job.kind == TaskKind::kSummary ? kSummaries : kPhrases;
  return job;
}

Result<Task> writing_task(const WritingJob& job, const std::vector<Sample>& samples, uint64_t seed) {
  Task task;
  task.name = job.name;
  describe_writing(job.kind, task);
  TRY(add_sample_items(samples, task));
  join_references(task);
  std::vector<TaskItem> ordered;
  ordered.reserve(task.items.size());
  for (const uint32_t i : shuffled(task.items.size(), seed, kAskStream)) ordered.push_back(std::move(task.items[i]));
  task.items = std::move(ordered);
  return task;
}

std::string_view deciding_score(TaskKind kind) {
  return kind == TaskKind::kSummary ? "rougeL" : "chrf";
}

}  // namespace linnet
