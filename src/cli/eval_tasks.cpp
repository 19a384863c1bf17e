#include "cli/eval_tasks.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/cancel.hpp"
#include "base/json.hpp"
#include "base/progress.hpp"
#include "base/strings.hpp"
#include "cli/eval_labels.hpp"
#include "cli/eval_report.hpp"
#include "eval/run_task.hpp"
#include "tasks/chat_prompt.hpp"
#include "tasks/run_store.hpp"
#include "text/chat_request.hpp"

namespace linnet::cli {

namespace {

// All are read before the model is: a mistake in the last shows at once.
Result<std::vector<Task>> read_tasks(const TaskFlags& flags) {
  TRY_ASSIGN(const std::vector<std::vector<std::string>> found, find_task_files(flags.files));
  std::vector<Task> tasks;
  for (const std::vector<std::string>& files : found) {
    TRY_ASSIGN(Task task, read_task(files, {.shots = flags.shots,
                                            .prompt_template = flags.prompt_template,
                                            .sheet = flags.sheet,
                                            .shots_path = flags.shots_from}));
    const bool taken = std::any_of(tasks.begin(), tasks.end(), [&](const Task& t) { return t.name == task.name; });
    if (taken) task.name = task.path;
    tasks.push_back(std::move(task));
  }
  return tasks;
}

std::string_view what_is_asked(TaskKind kind) {
  switch (kind) {
    case TaskKind::kChoice:
      return "which choice is likeliest";
    case TaskKind::kContinuation:
      return "is the continuation the likeliest";
    case TaskKind::kLabel:
      return "which label is likeliest";
    case TaskKind::kNumber:
      return "which number its solution ends in";
    case TaskKind::kAnswer:
      return "what it answers";
    case TaskKind::kSummary:
      return "how it summarises";
    case TaskKind::kTranslation:
      return "how it translates";
  }
  return "";
}

// How a task is asked: for logs, and for people.
struct Manner {
  const char* name;
  const char* said;
};
Manner manner_of(const RunOptions& options) {
  if (options.reply) return {"list", "by its list"};
  if (options.chat) return {"chat", "through the chat template"};
  return {"plain", "as plain text"};
}

struct TaughtManner {
  ChatManner chat;
  double frequency_penalty = 0;
};

// How MODEL is asked where it is a run that was taught on data of the task's form: then it knows without an
// instruction what to do.
Result<std::optional<TaughtManner>> taught_manner(const ModelHandle& model, const Task& task) {
  if (model.adapters.empty() || !task.data_form) return std::optional<TaughtManner>();
  TRY_ASSIGN(const std::optional<RunVersion> run, RunStore::standard().find(model.name()));
  if (!run || run->info.value("form", "") != form_name(*task.data_form)) return std::optional<TaughtManner>();
  TRY_ASSIGN(const JsonObject info, JsonObject::of(run->info, run->folder.string() + ": run.json"));
  TRY_ASSIGN(const int64_t input_tokens, info.integer_or("input_tokens", 0, 0, int64_t{1} << 31));
  TRY_ASSIGN(const double penalty, info.number_or("frequency_penalty", 0));
  return std::optional(TaughtManner{{model.system, input_tokens}, penalty});
}

std::string announce(const Task& task, const RunOptions& options, int64_t planned) {
  std::string out;
  for (const std::string& said : task.said) out += said + "\n";
  out += fmt::format("{}: {}, read as {}: {}; {}", task.name, counted(planned, "item"), task.form,
                     what_is_asked(task.kind), manner_of(options).said);
  if (options.chat && !options.instruct && !task.instruction.empty()) out += ", as it was taught";
  if (task.shots > 0) {
    out += fmt::format(", after {} examples from {}{}", task.shots, task.pool_path, options.seed ? " (drawn)" : "");
  }
  return out;
}

Json settings_of(const Task& task, const RunOptions& options, const ModelFlags& asked, const ModelHandle& model) {
  Json settings = {
      {"model", model.name()}, {"file", task.path},    {"form", task.form},     {"prompt", manner_of(options).name},
      {"shots", task.shots},   {"seed", options.seed}, {"limit", options.limit}};
  if (!asked.adapters.empty()) settings["adapters"] = asked.adapters;
  if (task.shots > 0) settings["shots_from"] = task.pool_path;
  if (options.chat) {
    settings["instruction"] = options.instruct ? task.instruction : "";
  } else {
    settings["prefix"] = plain_prefix(task, options);
  }
  return settings;
}

class TaskEval {
 public:
  TaskEval(const TaskFlags& flags, Speaker& speaker, const CancelToken& cancel)
      : flags_(flags), speaker_(speaker), cancel_(cancel) {}

  // How each of `tasks` is asked. Errors: one that cannot be, a log that is there already.
  Result<std::vector<RunOptions>> prepare(const std::vector<Task>& tasks) {
    auto loaded = load_chat_template(speaker_.model, speaker_.tokenizer);
    if (loaded.ok()) {
      template_.emplace(std::move(loaded).value());
    } else if (flags_.chat) {
      return std::move(loaded).error();
    }
    std::vector<RunOptions> options;
    for (const Task& task : tasks) {
      options.push_back({.limit = flags_.limit, .seed = flags_.seed, .skip_long = flags_.skip_long});
      TRY(choose_manner(task, options.back()));
    }
    if (!flags_.log.empty()) {
      TRY_ASSIGN(ItemLog log, ItemLog::create(flags_.log));
      log_.emplace(std::move(log));
    }
    return options;
  }

  Result<TaskReport> run(const Task& task, const RunOptions& options) {
    const auto all = static_cast<int64_t>(task.items.size());
    const int64_t planned = options.limit > 0 ? std::min(options.limit, all) : all;
    printer_.note(announce(task, options, planned));
    const Json settings = settings_of(task, options, flags_.model, speaker_.model);
    if (log_) TRY(log_->begin(task.name, task.kind, settings));
    const Subject subject{speaker_.transformer, speaker_.runtime->context(),
                          speaker_.tokenizer,   speaker_.end_tokens,
                          speaker_.context,     speaker_.kv};
    Progress progress{.stage = "asking", .item = task.name, .unit = ProgressUnit::kCount};
    RateMeter meter;
    const auto show = [&](int64_t done, int64_t of) {
      progress.done = static_cast<uint64_t>(done);
      progress.total = static_cast<uint64_t>(of);
      meter.fill(progress, RateMeter::Clock::now());
      printer_.update(progress);
    };
    const auto keep = [&](const ItemRecord& record) { return log_ ? log_->add(record) : ok_status(); };
    TRY_ASSIGN(RunResult result, run_task(task, subject, options, keep, cancel_, show));
    TRY_ASSIGN(TaskReport report,
               report_task({task.name, task.kind, std::make_shared<const Json>(settings), std::move(result.items)},
                           {.stem = flags_.stem}));
    report.planned = result.planned;
    report.skipped = result.skipped;
    report.seconds = result.seconds;
    return report;
  }

  void finish() { printer_.finish(); }

 private:
  // How the task is asked: as flags, task and model have it.
  Status choose_manner(const Task& task, RunOptions& options) {
    if (speaker_.faq) {
      if (task.kind != TaskKind::kAnswer) {
        return unsupported(
            fmt::format("is a taught list of questions, and {} asks {}", task.path, what_is_asked(task.kind)),
            speaker_.model.name(), "measure the model that it was taught from");
      }
      options.reply = [this](const std::string& request) -> Result<std::string> {
        TRY_ASSIGN(FaqReply reply, speaker_.faq->reply(request));
        return std::move(reply.text);
      };
      return ok_status();
    }
    const bool chat = !flags_.plain && (flags_.chat || task.likes_chat);
    TRY_ASSIGN(const std::optional<TaughtManner> taught, taught_manner(speaker_.model, task));
    options.instruct = !taught;
    if (taught) options.frequency_penalty = static_cast<float>(taught->frequency_penalty);
    if (chat && template_) {
      options.chat = chat_renderer(*template_, speaker_.tokenizer, taught.value_or(TaughtManner{}).chat);
    }
    return ok_status();
  }

  const TaskFlags& flags_;
  Speaker& speaker_;
  const CancelToken& cancel_;
  std::optional<ItemLog> log_;
  std::optional<ChatTemplate> template_;
  ProgressPrinter printer_ = ProgressPrinter::for_stderr();
};

Result<std::vector<TaskReport>> read_reports(const std::string& path, const ScoreOptions& options) {
  TRY_ASSIGN(std::vector<TaskLog> logs, read_item_log(path));
  std::vector<TaskReport> reports;
  for (TaskLog& log : logs) {
    TRY_ASSIGN(TaskReport report, report_task(std::move(log), options));
    reports.push_back(std::move(report));
  }
  return reports;
}

Status show(const TaskFlags& flags, const std::vector<TaskReport>& reports) {
  return flags.json ? print_json(reports_json(reports, flags.seed)) : print(draw_reports(reports, flags.seed));
}

}  // namespace

Status run_task_eval(const TaskFlags& flags) {
  CancelToken& cancel = interrupt_token();
  if (flags.chat && flags.plain) return usage_error("--chat and --plain exclude each other");
  TRY_ASSIGN(const std::vector<Task> tasks, read_tasks(flags));
  TRY_ASSIGN(const std::unique_ptr<Classifier> classifier, find_classifier(flags.model));
  if (classifier) {
    TRY_ASSIGN(const std::vector<TaskReport> labelled, run_label_eval(flags, *classifier, tasks));
    return show(flags, labelled);
  }
  TRY_ASSIGN(const std::unique_ptr<Speaker> speaker, open_speaker(flags.model));
  TaskEval eval(flags, *speaker, cancel);
  TRY_ASSIGN(const std::vector<RunOptions> options, eval.prepare(tasks));
  std::vector<TaskReport> reports;
  Status ended = ok_status();
  for (size_t i = 0; i < tasks.size() && ended.ok() && !cancel.cancelled(); ++i) {
    Result<TaskReport> report = eval.run(tasks[i], options[i]);
    if (report.ok()) {
      reports.push_back(std::move(report).value());
    } else {
      ended = std::move(report).error();
    }
  }
  eval.finish();
  if (!reports.empty()) TRY(show(flags, reports));
  TRY(ended);
  if (!cancel.cancelled()) return ok_status();
  return Error{
      ErrorCode::kCancelled,
      fmt::format("stopped: these are the scores of what was done, {} of {} tasks begun", reports.size(), tasks.size()),
      {},
      {}};
}

Status score_logs(const TaskFlags& flags) {
  if (flags.files.empty()) return usage_error("no log to score", "for example: linnet eval score shop.log.jsonl");
  std::vector<TaskReport> all;
  for (const std::string& path : flags.files) {
    TRY_ASSIGN(std::vector<TaskReport> reports, read_reports(path, {.stem = flags.stem}));
    std::move(reports.begin(), reports.end(), std::back_inserter(all));
  }
  return show(flags, all);
}

Status compare_log_files(const TaskFlags& flags) {
  if (flags.files.size() != 2) {
    return usage_error(fmt::format("compare takes two logs, not {}", flags.files.size()),
                       "for example: linnet eval compare before.jsonl after.jsonl");
  }
  TRY_ASSIGN(const std::vector<TaskLog> first, read_item_log(flags.files[0]));
  TRY_ASSIGN(const std::vector<TaskLog> second, read_item_log(flags.files[1]));
  TRY_ASSIGN(const LogComparison comparison, compare_logs(first, second, {.stem = flags.stem}, flags.seed));
  return flags.json ? print_json(comparison_json(comparison))
                    : print(draw_comparison(comparison, flags.files[0], flags.files[1]));
}

}  // namespace linnet::cli
