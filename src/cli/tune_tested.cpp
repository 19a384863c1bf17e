#include "cli/tune_tested.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "cli/asked_replies.hpp"
#include "eval/task_score.hpp"

namespace linnet::cli {

namespace {

Result<std::vector<Metric>> metrics_of(const Task& task, const std::vector<ItemRecord>& items) {
  return task_metrics({.task = {}, .kind = task.kind, .settings = {}, .items = items}, {});
}

// Bytes are no fewer than tokens.
int64_t prompt_tokens(const Task& task, const std::string& system) {
  size_t longest = 0;
  for (const TaskItem& item : task.items) longest = std::max(longest, item.question.size());
  return prompt_room(static_cast<int64_t>(longest), system);
}

// Of two lists by rising number, what both have: of other prompts, others fit.
void keep_common(std::vector<ItemRecord>& one, std::vector<ItemRecord>& other) {
  const auto is_in = [](const std::vector<ItemRecord>& items, int64_t number) {
    return std::ranges::binary_search(items, number, {}, &ItemRecord::item);
  };
  std::erase_if(one, [&](const ItemRecord& item) { return !is_in(other, item.item); });
  std::erase_if(other, [&](const ItemRecord& item) { return !is_in(one, item.item); });
}

Status test_replies(Task task, const TuneSettings& settings, const std::vector<Sample>& learned,
                    const RunVersion& version, TestReport& report) {
  TRY_ASSIGN(task.max_tokens, longest_reply(settings.base, learned));
  Asking asking{.model = version.name,
                .system = settings.system,
                .prompt_tokens = prompt_tokens(task, settings.system),
                .threads = settings.threads,
                .skip_long = true};
  TRY_ASSIGN(std::vector<ItemRecord> taught, ask_shown(task, asking));
  asking.model = settings.base;
  asking.instruct = true;
  TRY_ASSIGN(std::vector<ItemRecord> untaught, ask_shown(task, asking));
  keep_common(taught, untaught);
  report.items = taught.size();
  report.skipped = task.items.size() - taught.size();
  TRY(keep_replies(version, task, kTest, "taught", taught));
  TRY(keep_replies(version, task, kTest, "untaught", untaught));
  if (taught.empty()) return ok_status();
  TRY_ASSIGN(report.taught, metrics_of(task, taught));
  TRY_ASSIGN(report.untaught, metrics_of(task, untaught));
  return ok_status();
}

}  // namespace

Result<TestReport> test_run(const Tuner& tuner, const TuneSettings& settings, const Tuner::Taught& taught,
                            const RunVersion& version) {
  TestReport report{.before = taught.test_before, .after = taught.test_after};
  const Dataset& dataset = tuner.dataset();
  std::optional<Task> task = scored_task(dataset, dataset.test, dataset.test_form, settings.seed);
  if (dataset.test.empty() || !task) return report;
  TRY(test_replies(std::move(*task), settings, dataset.train, version, report));
  return report;
}

std::string draw(const TestReport& report) {
  std::string text;
  if (report.before && report.after) {
    text += fmt::format("test: loss {:.3f} before, {:.3f} after\n", report.before->loss, report.after->loss);
  }
  if (report.after && report.after->right) {
    text += fmt::format("test: {:.0f}% came out as people preferred\n", 100 * *report.after->right);
  }
  for (size_t i = 0; i < report.taught.size(); ++i) {
    text += fmt::format("test: {} {:.3g} before, {:.3g} after, of {} replies\n", report.taught[i].name(),
                        report.untaught[i].value(), report.taught[i].value(), report.items);
  }
  if (report.skipped > 0) text += fmt::format("test: {} do not fit the context and were not asked\n", report.skipped);
  return text;
}

Json to_json(const TestReport& report) {
  Json json = {{"on", kTest}};
  if (report.before && report.after) json["loss"] = {{"before", report.before->loss}, {"after", report.after->loss}};
  if (report.after && report.after->right) json["preferred"] = *report.after->right;
  if (report.taught.empty()) return json;
  json["scores"] = {{"untaught", scores_of_writer(report.items, report.untaught)},
                    {"taught", scores_of_writer(report.items, report.taught)}};
  return json;
}

}  // namespace linnet::cli
