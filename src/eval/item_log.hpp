// What a model did with each item of a task: enough to compute every score again, and to compare two models item by
// item.
//
// Kept as JSONL, one object a line, documented in docs/evaluation.md: for each task a line with "settings", then a line
// for each item. A log that was cut short is read as far as its lines are whole.
// Thread safety: an ItemLog belongs to one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "base/part_file.hpp"
#include "eval/task.hpp"

namespace linnet {

struct ItemRecord {
  int64_t item = 0;          // its line in the data file
  std::string context = {};  // all that stood before what was scored or written; in a chat, the last request
  // kChoice, kContinuation, kLabel: of each choice; kNumber …: empty.
  std::string delimiter = {};  // between context and choice
  std::vector<std::string> choices = {};
  int32_t gold = 0;
  std::vector<double> log_likelihoods = {};  // natural
  std::vector<bool> greedy = {};             // each token of the choice was the likeliest
  // What was written.
  std::string output = {};
  std::vector<std::string> references = {};
  std::optional<std::vector<Fact>> facts = {};  // of a test list

  // Place of the likeliest choice, of equals the first; `by_length`: of the log-likelihood for each character.
  int32_t likeliest(bool by_length) const;
};

struct TaskLog {
  std::string task;
  TaskKind kind = TaskKind::kChoice;
  SharedJson settings;  // an object; what was asked, of which model
  std::vector<ItemRecord> items;
};

class ItemLog {
 public:
  // Error kUsage where `path` is there already.
  static Result<ItemLog> create(const std::string& path);
  // The lines of `task` follow.
  Status begin(const std::string& task, TaskKind kind, const Json& settings);
  // Whole on disk when it returns, but for the operating system's cache.
  Status add(const ItemRecord& record);

 private:
  explicit ItemLog(PartFile file) : file_(std::move(file)) {}
  Status write(const Json& line);

  PartFile file_;
  std::string task_;
  TaskKind kind_ = TaskKind::kChoice;
};

// Tasks in the order of the file. Errors name the line: a field that is missing or of the wrong type, lists of unequal
// length, an item before its task's settings, an item twice.
Result<std::vector<TaskLog>> read_item_log(const std::string& path);
Result<std::vector<TaskLog>> parse_item_log(std::string_view text, const std::string& place);

}  // namespace linnet
