#include "cli/eval_report.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>

#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/strings.hpp"
#include "cli/table.hpp"

namespace linnet::cli {

namespace {

constexpr size_t kDrawnClasses = 10;  // a larger confusion matrix is no use on a screen

// Scores up to 100 with two digits, as sacreBLEU prints them; shares with four, as lm-evaluation-harness does.
std::string number(const std::string& metric, double value) {
  const bool percent = metric == "bleu" || metric == "chrf";
  return percent || metric == "perplexity" ? fmt::format("{:.2f}", value) : fmt::format("{:.4f}", value);
}
std::string signed_number(const std::string& metric, double value) {
  return (value < 0 ? "" : "+") + number(metric, value);
}

// The scores that several tasks share, over the items of all: where each is a mean of items.
std::vector<Metric> pooled(const std::vector<TaskReport>& reports) {
  if (reports.size() < 2) return {};
  std::vector<Metric> all;
  for (const TaskReport& report : reports) {
    if (report.log.kind != reports[0].log.kind) return {};
    for (const Metric& metric : report.metrics) {
      if (!metric.is_mean()) continue;
      const auto same =
          std::find_if(all.begin(), all.end(), [&](const Metric& m) { return m.name() == metric.name(); });
      if (same == all.end()) {
        all.push_back(metric);
      } else {
        same->append(metric);
      }
    }
  }
  return all;
}

void add_rows(std::vector<std::vector<std::string>>& rows, const std::string& name, const std::vector<Metric>& metrics,
              uint64_t seed) {
  bool first = true;
  for (const Metric& metric : metrics) {
    const Estimate told = estimate(metric, seed);
    const bool has_error = metric.size() > 1;
    rows.push_back({first ? name : "", metric.name(), std::to_string(metric.size()), number(metric.name(), told.value),
                    has_error ? number(metric.name(), told.standard_error) : "-"});
    first = false;
  }
}

std::string draw_confusion(const TaskLog& log) {
  const std::vector<std::string>& labels = log.items[0].choices;
  const ConfusionMatrix matrix = confusion(labelled(log), labels.size());
  std::string out = "\n" + log.task + ": confusion matrix; rows: the right label, columns: the predicted one\n";
  if (labels.size() <= kDrawnClasses) {
    std::vector<std::vector<std::string>> rows{{""}};
    std::vector<size_t> right;
    for (size_t c = 0; c < labels.size(); ++c) {
      rows[0].push_back(labels[c]);
      rows.push_back({labels[c]});
      right.push_back(c + 1);
      for (size_t p = 0; p < labels.size(); ++p) rows.back().push_back(std::to_string(matrix.at(c, p)));
    }
    return out + format_table(rows, right);
  }
  struct Confusion {
    int64_t count;
    size_t gold, predicted;
  };
  std::vector<Confusion> confusions;
  for (size_t g = 0; g < labels.size(); ++g) {
    for (size_t p = 0; p < labels.size(); ++p) {
      if (g != p && matrix.at(g, p) > 0) confusions.push_back({matrix.at(g, p), g, p});
    }
  }
  std::stable_sort(confusions.begin(), confusions.end(),
                   [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  if (confusions.size() > kDrawnClasses) confusions.resize(kDrawnClasses);
  std::vector<std::vector<std::string>> rows{{"label", "predicted", "times"}};
  for (const Confusion& m : confusions) rows.push_back({labels[m.gold], labels[m.predicted], std::to_string(m.count)});
  return "\n" + log.task + ": the most frequent confusions\n" + format_table(rows, {2});
}

Json confusion_json(const TaskLog& log) {
  const std::vector<std::string>& labels = log.items[0].choices;
  const ConfusionMatrix matrix = confusion(labelled(log), labels.size());
  Json rows = Json::array();
  for (size_t g = 0; g < labels.size(); ++g) {
    Json row = Json::array();
    for (size_t p = 0; p < labels.size(); ++p) row.push_back(matrix.at(g, p));
    rows.push_back(std::move(row));
  }
  return {{"labels", labels}, {"matrix", std::move(rows)}, {"f1", class_f1(matrix)}};
}

Json scores_json(const std::vector<Metric>& metrics, uint64_t seed) {
  Json out = Json::object();
  for (const Metric& metric : metrics) {
    const Estimate told = estimate(metric, seed);
    out[metric.name()] = {{"value", told.value},
                          {"standard_error", metric.size() > 1 ? Json(told.standard_error) : Json()},
                          {"error", told.kind == ErrorKind::kMean ? "mean" : "bootstrap"},
                          {"items", metric.size()}};
  }
  return out;
}

const TaskLog* find_task(const std::vector<TaskLog>& logs, const std::string& name) {
  const auto found = std::find_if(logs.begin(), logs.end(), [&](const TaskLog& log) { return log.task == name; });
  return found == logs.end() ? nullptr : &*found;
}

// The items that both hold, in the order of the first.
Result<std::pair<TaskLog, TaskLog>> common_items(const TaskLog& first, const TaskLog& second) {
  if (first.kind != second.kind) return invalid("the task \"" + first.task + "\" is not of one kind in both logs");
  std::map<int64_t, const ItemRecord*> theirs;
  for (const ItemRecord& item : second.items) theirs[item.item] = &item;
  std::pair<TaskLog, TaskLog> out{{first.task, first.kind, {}, {}}, {first.task, first.kind, {}, {}}};
  for (const ItemRecord& item : first.items) {
    const auto found = theirs.find(item.item);
    if (found == theirs.end()) continue;
    const ItemRecord& other = *found->second;
    if (item.choices != other.choices || item.gold != other.gold || item.references != other.references ||
        item.facts != other.facts) {
      return invalid(fmt::format("item {} of \"{}\" is not the same in both logs", item.item, first.task), {},
                     "the logs come from different data files");
    }
    out.first.items.push_back(item);
    out.second.items.push_back(other);
  }
  return out;
}

}  // namespace

Result<TaskReport> report_task(TaskLog log, const ScoreOptions& options) {
  TaskReport report{.log = std::move(log)};
  TRY_ASSIGN(report.metrics, task_metrics(report.log, options));
  report.notes = score_notes(report.log, report.metrics, options);
  report.planned = static_cast<int64_t>(report.log.items.size());
  return report;
}

std::string draw_reports(const std::vector<TaskReport>& reports, uint64_t seed) {
  std::vector<std::vector<std::string>> rows{{"task", "score", "items", "", "± "}};
  bool bootstrapped = false;
  for (const TaskReport& report : reports) {
    add_rows(rows, report.log.task, report.metrics, seed);
    for (const Metric& metric : report.metrics) bootstrapped = bootstrapped || !metric.is_mean();
  }
  add_rows(rows, "all items", pooled(reports), seed);
  std::string out = format_table(rows, {2, 3, 4});
  for (const TaskReport& report : reports) {
    if (report.log.kind == TaskKind::kLabel && !report.log.items.empty()) out += draw_confusion(report.log);
  }
  out += "\n";
  for (const TaskReport& report : reports) {
    for (const std::string& note : report.notes) out += note + "\n";
  }
  out += "± is the standard error: the deviation of the items over √n";
  if (bootstrapped) out += fmt::format("; where a score is no mean of items, by bootstrap ({} times)", kResamples);
  out += "\n";
  for (const TaskReport& report : reports) {
    const auto done = static_cast<int64_t>(report.log.items.size());
    if (report.seconds >= 0 && done > 0) {
      out += fmt::format("{}: {} in {}, {:.0f} ms an item\n", report.log.task, counted(done, "item"),
                         format_duration(report.seconds), 1000 * report.seconds / static_cast<double>(done));
    }
    if (report.skipped > 0) {
      out += fmt::format("{}: left out as too long: {}\n", report.log.task, counted(report.skipped, "item"));
    }
    if (done + report.skipped < report.planned) {
      out += fmt::format("{}: stopped after {} of {}\n", report.log.task, done + report.skipped,
                         counted(report.planned, "item"));
    }
  }
  return out;
}

Json reports_json(const std::vector<TaskReport>& reports, uint64_t seed) {
  Json tasks = Json::array();
  for (const TaskReport& report : reports) {
    Json task = {{"task", report.log.task},          {"kind", std::string(task_kind_name(report.log.kind))},
                 {"items", report.log.items.size()}, {"planned", report.planned},
                 {"skipped", report.skipped},        {"scores", scores_json(report.metrics, seed)}};
    if (!report.notes.empty()) task["notes"] = report.notes;
    if (report.log.kind == TaskKind::kLabel && !report.log.items.empty())
      task["confusion"] = confusion_json(report.log);
    if (report.seconds >= 0) task["seconds"] = report.seconds;
    if (report.log.settings) task["settings"] = *report.log.settings;
    tasks.push_back(std::move(task));
  }
  Json out = {{"tasks", std::move(tasks)}};
  if (const std::vector<Metric> all = pooled(reports); !all.empty()) out["all_items"] = scores_json(all, seed);
  return out;
}

Result<LogComparison> compare_logs(const std::vector<TaskLog>& first, const std::vector<TaskLog>& second,
                                   const ScoreOptions& options, uint64_t seed) {
  LogComparison out;
  for (const TaskLog& log : first) {
    const TaskLog* other = find_task(second, log.task);
    if (!other) {
      out.left_out += log.items.size();
      continue;
    }
    TRY_ASSIGN(const auto both, common_items(log, *other));
    const size_t common = both.first.items.size();
    out.left_out += log.items.size() + other->items.size() - 2 * common;
    if (common == 0) continue;
    TRY_ASSIGN(const std::vector<Metric> ours, task_metrics(both.first, options));
    TRY_ASSIGN(const std::vector<Metric> theirs, task_metrics(both.second, options));
    for (size_t m = 0; m < ours.size(); ++m) {
      out.scores.push_back({log.task, ours[m].name(), ours[m].size(), ours[m].value(), theirs[m].value(),
                            compare_paired(ours[m], theirs[m], seed)});
    }
  }
  for (const TaskLog& log : second) out.left_out += find_task(first, log.task) ? 0 : log.items.size();
  if (out.scores.empty()) return invalid("the two logs have no item in common");
  return out;
}

std::string draw_comparison(const LogComparison& comparison, const std::string& first, const std::string& second) {
  std::vector<std::vector<std::string>> rows{{"task", "score", "items", "A", "B", "B - A", "95% from", "to", "p"}};
  for (const ScoreComparison& c : comparison.scores) {
    rows.push_back({c.task, c.metric, std::to_string(c.items), number(c.metric, c.first), number(c.metric, c.second),
                    signed_number(c.metric, c.difference.difference), signed_number(c.metric, c.difference.low),
                    signed_number(c.metric, c.difference.high), fmt::format("{:.3f}", c.difference.p)});
  }
  std::string out = fmt::format("A is {}\nB is {}\n\n", first, second) + format_table(rows, {2, 3, 4, 5, 6, 7, 8});
  out += fmt::format("\npaired bootstrap, {} resamplings of the items; p is two-sided\n", kResamples);
  if (comparison.left_out > 0) {
    out += fmt::format("not counted: {} that only one of the logs has\n",
                       counted(static_cast<int64_t>(comparison.left_out), "item"));
  }
  return out;
}

Json comparison_json(const LogComparison& comparison) {
  Json scores = Json::array();
  for (const ScoreComparison& c : comparison.scores) {
    scores.push_back({{"task", c.task},
                      {"score", c.metric},
                      {"items", c.items},
                      {"first", c.first},
                      {"second", c.second},
                      {"difference", c.difference.difference},
                      {"low", c.difference.low},
                      {"high", c.difference.high},
                      {"p", c.difference.p}});
  }
  return {{"scores", std::move(scores)}, {"left_out", comparison.left_out}, {"resamples", kResamples}};
}

}  // namespace linnet::cli
