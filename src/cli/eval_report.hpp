// What eval tells of tasks: tables for people, JSON for machines.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "base/result.hpp"
#include "eval/task_score.hpp"

namespace linnet::cli {

struct TaskReport {
  TaskLog log;
  std::vector<Metric> metrics = {};
  std::vector<std::string> notes = {};
  int64_t planned = 0;  // items; more than the log's where the run was stopped
  int64_t skipped = 0;  // of them
  double seconds = -1;  // that the model took; below 0: not known
};

Result<TaskReport> report_task(TaskLog log, const ScoreOptions& options);

// `seed` is that of the bootstrap.
std::string draw_reports(const std::vector<TaskReport>& reports, uint64_t seed);
Json reports_json(const std::vector<TaskReport>& reports, uint64_t seed);

// Two models at the items that both logs hold. Errors: no task in common; an item that is not the same in both.
struct ScoreComparison {
  std::string task;
  std::string metric;
  size_t items = 0;  // that count in this score
  double first = 0;
  double second = 0;
  PairedDifference difference;
};
struct LogComparison {
  std::vector<ScoreComparison> scores;
  size_t left_out = 0;  // items that only one of the logs holds
};
Result<LogComparison> compare_logs(const std::vector<TaskLog>& first, const std::vector<TaskLog>& second,
                                   const ScoreOptions& options, uint64_t seed);
std::string draw_comparison(const LogComparison& comparison, const std::string& first, const std::string& second);
Json comparison_json(const LogComparison& comparison);

}  // namespace linnet::cli
