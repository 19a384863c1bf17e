#include "eval/task.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <set>

#include "base/json.hpp"
#include "eval/task_forms.hpp"
#include "eval/task_rows.hpp"
#include "eval/words.hpp"

namespace linnet {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<TaskKind, std::string_view>, 7> kKinds{{
    {TaskKind::kChoice, "choice"},
    {TaskKind::kContinuation, "continuation"},
    {TaskKind::kLabel, "label"},
    {TaskKind::kNumber, "number"},
    {TaskKind::kAnswer, "answer"},
    {TaskKind::kSummary, "summary"},
    {TaskKind::kTranslation, "translation"},
}};

// Names that say which part of a data set a file is, not which set.
bool is_part(std::string_view word) {
  constexpr std::array kParts{"test", "dev", "train", "valid", "validation", "val", "eval"};
  return std::find(kParts.begin(), kParts.end(), word) != kParts.end();
}

// "mmlu/test/anatomy_test.csv" -> "anatomy"; "gsm8k/test.jsonl" -> "gsm8k"; "en-de.test.tsv" -> "en-de".
std::string name_of(const fs::path& path) {
  std::string stem = path.stem().string();
  for (size_t at = stem.find_last_of("_.-"); at != stem.npos && is_part(stem.substr(at + 1));
       at = stem.find_last_of("_.-")) {
    stem.erase(at);
  }
  if (!is_part(stem)) return stem;
  const std::string folder = fs::absolute(path).lexically_normal().parent_path().filename().string();
  return folder.empty() || is_part(folder) ? stem : folder;
}

// The file of few-shot examples beside `path`: the same path with "dev" or "train" for "test" in the name, and in the
// folder's.
std::string find_pool(const fs::path& path) {
  const auto replaced = [](std::string text, const std::string& with) {
    if (const size_t at = text.rfind("test"); at != text.npos) text.replace(at, 4, with);
    return text;
  };
  for (const std::string part : {"dev", "train"}) {
    const std::string file = replaced(path.filename().string(), part);
    const fs::path folder = path.parent_path();
    for (const fs::path& candidate :
         {folder / file, folder.parent_path() / replaced(folder.filename().string(), part) / file}) {
      std::error_code ignored;
      if (candidate != path && fs::is_regular_file(candidate, ignored)) return candidate.string();
    }
  }
  return {};
}

// {FIELD} of the template from the row.
Result<std::string> fill_template(const std::string& text, const Row& row, const std::string& place) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, 2, "\\n") == 0) {
      out += '\n';
      at += 2;
      continue;
    }
    const size_t end = text[at] == '{' ? text.find('}', at) : text.npos;
    if (end == text.npos) {
      out += text[at++];
      continue;
    }
    const std::string field = text.substr(at + 1, end - at - 1);
    const auto found = row.fields.find(field);
    if (found == row.fields.end()) {
      return invalid("has no field \"" + field + "\", which the template asks for", place);
    }
    out += found->is_string() ? found->get<std::string>() : dump_json(*found);
    at = end + 1;
  }
  return out;
}

Result<std::vector<TaskItem>> read_items(const Form& form, const Rows& rows, const Task& task,
                                         const TaskOptions& options) {
  std::vector<TaskItem> items;
  for (const Row& row : rows.rows) {
    const std::string place = rows.place_of(row);
    TRY_ASSIGN(TaskItem item, form.read(row, task, place));
    item.number = static_cast<int64_t>(row.number);
    if (!options.prompt_template.empty()) {
      TRY_ASSIGN(item.question, fill_template(options.prompt_template, row, place));
      item.request = item.question;
    }
    items.push_back(std::move(item));
  }
  return items;
}

// The labels of a task are those of its items and examples, in the order of the alphabet.
Status collect_labels(Task& task, bool says_labels) {
  std::set<std::string> labels;
  for (const TaskItem& item : task.items) labels.insert(item.target);
  for (const TaskItem& item : task.pool) labels.insert(item.target);
  if (labels.size() < 2) return invalid("holds one label only: \"" + *labels.begin() + "\"", task.path);
  if (labels.size() > kMaxLabels) {
    return unsupported(fmt::format("holds {} labels: at most {} can be told apart", labels.size(), kMaxLabels),
                       task.path);
  }
  task.labels.assign(labels.begin(), labels.end());
  for (TaskItem& item : task.items) {
    item.gold = static_cast<int32_t>(std::distance(labels.begin(), labels.find(item.target)));
  }
  if (!says_labels) return ok_status();
  task.request_preamble =
      fmt::format("Which label fits this text? Answer with one of these: {}.\n\n", fmt::join(task.labels, ", "));
  return ok_status();
}

Status read_pool(const Form& form, Task& task, const TaskOptions& options) {
  task.pool_path = options.shots_path.empty() ? find_pool(task.path) : options.shots_path;
  if (task.pool_path.empty()) {
    return usage_error(fmt::format("{}: there is no file of examples beside it to take {} from", task.path, task.shots),
                       "name one by --shots-from, or do without: --shots 0");
  }
  TRY_ASSIGN(const Rows pool, read_task_rows(task.pool_path));
  if (find_form(pool.rows) != &form) {
    return invalid("is of another form than " + task.path, task.pool_path,
                   "name a file of the same form by --shots-from");
  }
  TRY_ASSIGN(task.pool, read_items(form, pool, task, options));
  if (std::cmp_less(task.pool.size(), task.shots)) {
    return usage_error(
        fmt::format("{}: {} examples are wanted, and it holds {}", task.pool_path, task.shots, task.pool.size()),
        "ask for fewer by --shots");
  }
  return ok_status();
}

}  // namespace

std::string_view task_kind_name(TaskKind kind) {
  for (const auto& [one, name] : kKinds) {
    if (one == kind) return name;
  }
  return "";
}

std::optional<TaskKind> task_kind_of(std::string_view name) {
  for (const auto& [kind, one] : kKinds) {
    if (one == name) return kind;
  }
  return std::nullopt;
}

bool is_generated(TaskKind kind) {
  return kind == TaskKind::kNumber || kind == TaskKind::kAnswer || kind == TaskKind::kSummary ||
         kind == TaskKind::kTranslation;
}

Result<Task> read_task(const std::string& path, const TaskOptions& options) {
  TRY_ASSIGN(const Rows rows, read_task_rows(path));
  const Form* form = find_form(rows.rows);
  if (!form) {
    std::string fields;
    for (const auto& [name, value] : rows.rows[0].fields.items()) fields += (fields.empty() ? "" : ", ") + name;
    return unsupported("is of no form that eval knows; its fields are " + fields, path, "known are: " + known_forms());
  }
  Task task;
  task.name = name_of(path);
  task.path = path;
  task.form = form->name;
  form->describe(task);
  TRY_ASSIGN(task.items, read_items(*form, rows, task, options));
  if (options.shots >= 0) task.shots = options.shots;
  if (task.shots > 0) TRY(read_pool(*form, task, options));
  if (task.kind == TaskKind::kLabel) TRY(collect_labels(task, options.prompt_template.empty()));
  return task;
}

}  // namespace linnet
