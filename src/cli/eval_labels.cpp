#include "cli/eval_labels.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/core.h>
#include <optional>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/strings.hpp"

namespace linnet::cli {

namespace {

// The classifier's place of each of the task's labels.
Result<std::vector<int32_t>> places_of(const Task& task, const Classifier& classifier, const std::string& name) {
  if (task.kind != TaskKind::kLabel) {
    return unsupported(fmt::format("sorts texts by their labels, and {} is read as {}", task.path, task.form), name,
                       "measure it by a file of texts with labels");
  }
  if (classifier.labels().size() > kMaxLabels) {
    return unsupported(
        fmt::format("knows {} labels, where eval measures up to {}", classifier.labels().size(), kMaxLabels), name);
  }
  std::vector<int32_t> places;
  for (const std::string& label : task.labels) {
    const auto found = std::find(classifier.labels().begin(), classifier.labels().end(), label);
    if (found == classifier.labels().end()) {
      return invalid(fmt::format("the label \"{}\" is none that {} was taught", label, name), task.path);
    }
    places.push_back(static_cast<int32_t>(found - classifier.labels().begin()));
  }
  return places;
}

Result<TaskReport> label_items(const TaskFlags& flags, const Classifier& classifier, const Task& task, ItemLog* log) {
  TRY_ASSIGN(const std::vector<int32_t> places, places_of(task, classifier, flags.model.model));
  const auto all = static_cast<int64_t>(task.items.size());
  const int64_t planned = flags.limit > 0 ? std::min(flags.limit, all) : all;
  std::vector<std::string> texts;
  for (int64_t i = 0; i < planned; ++i) texts.push_back(task.items[static_cast<size_t>(i)].request);
  auto printer = ProgressPrinter::for_stderr();
  for (const std::string& said : task.said) printer.note(said);
  printer.note(fmt::format("{}: {}, read as {}: which label is likeliest; by its {}", task.name,
                           counted(planned, "item"), task.form,
                           classifier.kind() == ClassifierKind::kWords ? "weighted words" : "encoder"));
  const Json settings = {{"model", flags.model.model},
                         {"file", task.path},
                         {"form", task.form},
                         {"prompt", "classifier"},
                         {"limit", flags.limit}};
  if (log) TRY(log->begin(task.name, task.kind, settings));
  const auto began = std::chrono::steady_clock::now();
  Progress progress{
      .stage = "asking", .item = task.name, .total = static_cast<uint64_t>(planned), .unit = ProgressUnit::kCount};
  RateMeter meter;
  TRY_ASSIGN(std::vector<LabelChances> chances, classifier.classify(texts, &interrupt_token(), [&](size_t done) {
    progress.done = done;
    meter.add(done, RateMeter::Clock::now());
    meter.fill(progress, RateMeter::Clock::now());
    printer.update(progress);
  }));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  TaskLog done{task.name, task.kind, std::make_shared<const Json>(settings), {}};
  for (size_t i = 0; i < texts.size(); ++i) {
    done.items.push_back({.item = task.items[i].number,
                          .context = texts[i],
                          .choices = classifier.labels(),
                          .gold = places[static_cast<size_t>(task.items[i].gold)],
                          .log_likelihoods = std::move(chances[i]),
                          .greedy = std::vector<bool>(classifier.labels().size(), false)});
    if (log) TRY(log->add(done.items.back()));
  }
  TRY_ASSIGN(TaskReport report, report_task(std::move(done), {}));
  report.planned = planned;
  report.seconds = seconds;
  return report;
}

}  // namespace

Result<std::vector<TaskReport>> run_label_eval(const TaskFlags& flags, const Classifier& classifier,
                                               const std::vector<Task>& tasks) {
  if (flags.chat || flags.shots > 0 || !flags.prompt_template.empty()) {
    return usage_error(flags.model.model + " is a classifier, which reads the texts as they are",
                       "leave --chat, --shots and --template out");
  }
  std::optional<ItemLog> log;
  if (!flags.log.empty()) {
    TRY_ASSIGN(ItemLog created, ItemLog::create(flags.log));
    log.emplace(std::move(created));
  }
  std::vector<TaskReport> reports;
  for (const Task& task : tasks) {
    TRY_ASSIGN(TaskReport report, label_items(flags, classifier, task, log ? &*log : nullptr));
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace linnet::cli
