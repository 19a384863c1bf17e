// A data file as something to measure a model by: what it asks, in which words, and what is right.
//
// The form of a file is recognised by the fields of its first row: a benchmark's (benchmark_forms.hpp), or one that is
// also learned from (data/form.hpp); docs/evaluation.md lists all. Prompts without a chat template are
// lm-evaluation-harness's where it has the task (mmlu, arc, gsm8k, squadv2), so that scores compare. Ownership: values.
// Thread safety: pure functions over the file system.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "data/sample.hpp"

namespace linnet {

enum class TaskKind : uint8_t {
  kChoice,        // which of the item's choices is likeliest
  kContinuation,  // is the continuation what the model would write
  kLabel,         // which of the task's labels is likeliest
  kNumber,        // the last number of a worked solution
  kAnswer,        // a short answer in the model's words
  kSummary,
  kTranslation,
};
// "choice", "continuation", …
std::string_view task_kind_name(TaskKind kind);
std::optional<TaskKind> task_kind_of(std::string_view name);
// Whether the model writes, rather than being asked how likely given texts are.
bool is_generated(TaskKind kind);

// What the task of a data file is called: "mmlu/test/anatomy_test.csv" "anatomy", "gsm8k/test.jsonl" "gsm8k",
// "en-de.test.tsv" "en-de".
std::string task_name_of(const std::string& file);

// The labels of one task, at most.
inline constexpr size_t kMaxLabels = 200;

struct TaskItem {
  int64_t number = 0;                // of its line or row in the file, from 1: what a person looks for; of files that
                                     // are labelled by their endings, its place among all
  std::string question;              // the prompt for plain text, which `target` follows after the task's delimiter
  std::string request;               // the same as one says it in a chat
  std::string target;                // what few-shot examples show
  std::vector<std::string> choices;  // kChoice; kContinuation has one
  int32_t gold = 0;                  // place among the choices, or among the task's labels
  // Of what is written. None: the right answer is to decline.
  std::vector<std::string> references;
  std::optional<std::vector<Fact>> facts;  // of a test list
};

struct Task {
  std::string name;
  std::string path;
  TaskKind kind = TaskKind::kChoice;
  std::string form;                   // what was recognised, for people: "query, choices, gold"
  std::optional<DataForm> data_form;  // the same, where it is one that may be learned from
  std::vector<std::string> said;      // by the reader, for people
  std::string preamble;               // before the few-shot examples of a plain prompt
  std::string instruction;          // before each request in a chat: what a model that was not taught the task is told
  std::string delimiter;            // between question and target of a plain prompt
  bool likes_chat = false;          // asked through the chat template unless told otherwise
  int64_t shots = 0;                // few-shot examples before each question
  int64_t max_tokens = 256;         // of what is written
  std::vector<std::string> stops;   // end what is written, in a plain prompt
  std::vector<std::string> labels;  // kLabel: what each item is asked about
  std::vector<TaskItem> items;
  std::vector<TaskItem> pool;  // few-shot examples come from here; read where there are any
  std::string pool_path;

  const std::vector<std::string>& choices_of(const TaskItem& item) const {
    return kind == TaskKind::kLabel ? labels : item.choices;
  }
};

struct TaskOptions {
  int64_t shots = -1;  // few-shot examples; below 0: as many as the form usually has
  // In place of the form's own question and instruction: "Question: {question}\nAnswer:", {FIELD} being a field of the
  // row; \n is a line break. Empty: the form's own.
  std::string prompt_template = {};
  std::string sheet = {};       // of spreadsheets; empty: the first that is not hidden
  std::string shots_path = {};  // the few-shot pool; empty: found beside `path`, as "dev" or "train" for "test"
};

// What a plain prompt's examples answer where there is no answer.
inline constexpr const char* kUnanswerable = "unanswerable";
// Answers in the model's words: what the forms of such have in common.
void describe_answers(Task& task);

// The files that tasks are made of, each list one task: a file, or files that are labelled by their endings. Of a
// folder, its files called test where there are some, else all (find_data_files). Errors: those of find_data_files.
Result<std::vector<std::vector<std::string>>> find_task_files(const std::vector<std::string>& paths);

// files: not empty, as find_task_files() gives them. Errors name file, line and field: those of the readers; a form
// that is not known (with all that are) or has no score; a field that is missing or of the wrong type; a gold answer
// that is none of the choices; a pool that is missing, of another form, or smaller than the number of examples.
Result<Task> read_task(const std::vector<std::string>& files, const TaskOptions& options);

}  // namespace linnet
