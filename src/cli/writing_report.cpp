#include "cli/writing_report.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <set>

#include "base/check.hpp"
#include "cli/asked_replies.hpp"
#include "cli/table.hpp"
#include "tasks/writing_job.hpp"

namespace linnet::cli {

namespace {

// Scores that are shares are shown times 100, as BLEU and chrF are.
double shown_times(const std::string& metric) {
  return metric.starts_with("rouge") ? 100 : 1;
}

std::string heading_of(const std::string& metric) {
  std::string out = metric;
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

Result<std::vector<Metric>> metrics_of(TaskKind kind, std::vector<ItemRecord> items) {
  return task_metrics({.task = {}, .kind = kind, .settings = {}, .items = std::move(items)}, {});
}

const Metric& metric_called(const std::vector<Metric>& metrics, std::string_view name) {
  const auto found = std::ranges::find(metrics, name, &Metric::name);
  CHECK(found != metrics.end());
  return *found;
}

std::vector<ItemRecord> items_in(const std::vector<ItemRecord>& items, const std::set<int64_t>& numbers) {
  std::vector<ItemRecord> out;
  for (const ItemRecord& item : items) {
    if (numbers.contains(item.item)) out.push_back(item);
  }
  return out;
}

Result<WritingComparison> compare(const Written& other, const Written& taught, TaskKind kind) {
  std::set<int64_t> ours;
  std::set<int64_t> both;
  for (const ItemRecord& item : taught.items) ours.insert(item.item);
  for (const ItemRecord& item : other.items) {
    if (ours.contains(item.item)) both.insert(item.item);
  }
  CHECK(!both.empty());
  TRY_ASSIGN(const std::vector<Metric> theirs, metrics_of(kind, items_in(other.items, both)));
  TRY_ASSIGN(const std::vector<Metric> mine, metrics_of(kind, items_in(taught.items, both)));
  const std::string_view name = deciding_score(kind);
  return WritingComparison{other.name, other.said, other.model, both.size(),
                           compare_paired(metric_called(theirs, name), metric_called(mine, name), kBootstrapSeed)};
}

std::string interval_of(const WritingComparison& one, const std::string& score) {
  const double times = shown_times(score);
  return fmt::format("{} {:+.1f}, 95% interval {:+.1f} to {:+.1f}", heading_of(score),
                     times * one.difference.difference, times * one.difference.low, times * one.difference.high);
}

const WritingComparison* best_without_model(const WritingReport& report) {
  const WritingComparison* best = nullptr;
  for (const WritingComparison& one : report.comparisons) {
    if (!one.model && (best == nullptr || one.difference.difference < best->difference.difference)) best = &one;
  }
  return best;
}

const WritingComparison* untaught_of(const WritingReport& report) {
  const auto found = std::ranges::find(report.comparisons, true, &WritingComparison::model);
  return found == report.comparisons.end() ? nullptr : &*found;
}

}  // namespace

Result<WritingReport> report_writing(const std::string& on, TaskKind kind, std::vector<Written> all) {
  CHECK(!all.empty());
  WritingReport report{.on = on, .kind = kind, .decides = std::string(deciding_score(kind)), .all = std::move(all)};
  for (const Written& one : report.all) {
    TRY_ASSIGN(report.metrics.emplace_back(), metrics_of(kind, one.items));
  }
  for (size_t i = 0; i + 1 < report.all.size(); ++i) {
    TRY_ASSIGN(report.comparisons.emplace_back(), compare(report.all[i], report.all.back(), kind));
  }
  return report;
}

std::string draw(const WritingReport& report) {
  if (report.on.empty()) return {};
  std::vector<std::vector<std::string>> rows{{"on " + report.on, "ITEMS"}};
  std::vector<size_t> right{1};
  for (const Metric& metric : report.metrics.front()) {
    right.push_back(rows[0].size());
    rows[0].push_back(heading_of(metric.name()));
    right.push_back(rows[0].size());
    rows[0].emplace_back("±");
  }
  for (size_t i = 0; i < report.all.size(); ++i) {
    rows.push_back({report.all[i].name, std::to_string(report.all[i].items.size())});
    for (const Metric& metric : report.metrics[i]) {
      const Estimate told = estimate(metric, kBootstrapSeed);
      const double times = shown_times(metric.name());
      rows.back().push_back(fmt::format("{:.1f}", times * told.value));
      rows.back().push_back(metric.size() > 1 ? fmt::format("{:.1f}", times * told.standard_error) : "-");
    }
  }
  return format_table(rows, right);
}

std::string recommended(const WritingReport& report) {
  const WritingComparison* simple = best_without_model(report);
  if (simple != nullptr && simple->difference.low <= 0) return simple->name;
  const WritingComparison* untaught = untaught_of(report);
  return untaught != nullptr && untaught->difference.low <= 0 ? untaught->name : "taught";
}

std::string verdict(const WritingReport& report) {
  std::string text;
  std::string of_which;
  for (const WritingComparison& one : report.comparisons) {
    const PairedDifference& d = one.difference;
    const std::string interval = interval_of(one, report.decides);
    if (d.low > 0) {
      text += fmt::format("the taught model is better than {} ({})\n", one.said, interval);
    } else if (d.high < 0) {
      text += fmt::format("{} is better than the taught model (taught {})\n", one.said, interval);
    } else {
      text += fmt::format("the taught model and {} do not differ for certain (taught {})\n", one.said, interval);
    }
    if (one.name == recommended(report)) of_which = one.said;
  }
  if (of_which.empty()) return text;
  return text + fmt::format("recommended: {}, which {}\n", of_which,
                            recommended(report) == "untaught" ? "is there without teaching" : "needs no model");
}

Json to_json(const WritingReport& report) {
  Json scores = Json::object();
  for (size_t i = 0; i < report.all.size(); ++i) {
    scores[report.all[i].name] = scores_of_writer(report.all[i].items.size(), report.metrics[i]);
  }
  Json compared = Json::object();
  for (const WritingComparison& one : report.comparisons) {
    const PairedDifference& d = one.difference;
    compared[one.name] = {
        {"items", one.items}, {"difference", d.difference}, {"low", d.low}, {"high", d.high}, {"p", d.p}};
  }
  return {{"on", report.on},
          {"decides", report.decides},
          {"scores", std::move(scores)},
          {"taught_beside", std::move(compared)},
          {"recommended", recommended(report)}};
}

}  // namespace linnet::cli
