#include "eval/task.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <set>

#include "base/json.hpp"
#include "data/files.hpp"
#include "eval/benchmark_forms.hpp"
#include "eval/sample_items.hpp"
#include "eval/squad_rows.hpp"

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

// {FIELD} of the template from a row's fields.
Result<std::string> fill_template(const std::string& text, const Json& fields, const std::string& place) {
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
    const auto found = fields.find(field);
    if (found == fields.end()) {
      return invalid("has no field \"" + field + "\", which the template asks for", place);
    }
    out += found->is_string() ? found->get<std::string>() : dump_json(*found);
    at = end + 1;
  }
  return out;
}

Status read_benchmark(const BenchmarkForm& form, const Rows& rows, Task& task) {
  task.form = form.name;
  form.describe(task);
  for (const Row& row : rows.rows) {
    TRY_ASSIGN(TaskItem item, form.read(row, rows.place_of(row)));
    task.items.push_back(std::move(item));
  }
  return ok_status();
}

Status read_rows_as_items(const Rows& rows, Task& task) {
  if (const BenchmarkForm* form = find_benchmark_form(rows.rows)) return read_benchmark(*form, rows, task);
  Result<FormMatch> match = recognise_form(rows);
  if (!match.ok()) {
    Error error = std::move(match).error();
    error.hint += fmt::format("\nor, to measure by:\n{}", list_of_benchmark_forms());
    return error;
  }
  TRY_ASSIGN(Samples samples, make_samples(rows, *match));
  task.said = std::move(samples.said);
  return read_sample_items(samples, task);
}

// A table's rows are its items, one for one.
Status read_table(const std::string& file, const TaskOptions& options, Task& task) {
  // Names that no form of data/form.hpp has.
  const std::vector<std::string> names{"context", "continuation", "query", "choice0"};
  std::vector<std::string> said;
  TRY_ASSIGN(Rows rows, read_rows(file, options.sheet, names, said));
  TRY(unfold_squad(rows));
  if (rows.rows.empty()) return invalid("there are no rows in it", rows.place);
  TRY(read_rows_as_items(rows, task));
  task.said.insert(task.said.begin(), said.begin(), said.end());
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    const Row& row = rows.rows[i];
    TaskItem& item = task.items[i];
    item.number = static_cast<int64_t>(row.number);
    if (options.prompt_template.empty()) continue;
    TRY_ASSIGN(item.question, fill_template(options.prompt_template, row.fields, rows.place_of(row)));
    item.request = item.question;
  }
  if (!options.prompt_template.empty()) task.instruction.clear();
  return ok_status();
}

// The task without its pool.
Result<Task> read_items(const std::vector<std::string>& files, const TaskOptions& options) {
  Task task;
  task.path = files.front();
  task.name = task_name_of(task.path);
  if (is_table_file(task.path)) {
    TRY(read_table(task.path, options, task));
    return task;
  }
  if (!options.prompt_template.empty()) {
    return usage_error(fmt::format("{}: a template needs rows with named fields", task.path));
  }
  TRY_ASSIGN(Samples samples, read_samples(files));
  task.said = std::move(samples.said);
  TRY(read_sample_items(samples, task));
  return task;
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
    const auto place = std::lower_bound(task.labels.begin(), task.labels.end(), item.target);
    item.gold = static_cast<int32_t>(place - task.labels.begin());
  }
  if (!says_labels) return ok_status();
  task.instruction =
      fmt::format("Which label fits this text? Answer with one of these: {}.\n\n", fmt::join(task.labels, ", "));
  return ok_status();
}

Status read_pool(Task& task, const TaskOptions& options) {
  task.pool_path = options.shots_path.empty() ? find_pool(task.path) : options.shots_path;
  if (task.pool_path.empty()) {
    return usage_error(fmt::format("{}: there is no file of examples beside it to take {} from", task.path, task.shots),
                       "name one by --shots-from, or do without: --shots 0");
  }
  std::error_code ignored;
  if (fs::equivalent(task.pool_path, task.path, ignored)) {
    return usage_error(task.pool_path + ": the examples would show the answers of the questions that follow",
                       "name another file by --shots-from");
  }
  TRY_ASSIGN(Task pool, read_items({task.pool_path}, options));
  if (pool.form != task.form || pool.kind != task.kind) {
    return invalid("is of another form than " + task.path, task.pool_path,
                   "name a file of the same form by --shots-from");
  }
  task.pool = std::move(pool.items);
  if (std::cmp_less(task.pool.size(), task.shots)) {
    return usage_error(
        fmt::format("{}: {} examples are wanted, and it holds {}", task.pool_path, task.shots, task.pool.size()),
        "ask for fewer by --shots");
  }
  return ok_status();
}

}  // namespace

std::string task_name_of(const std::string& file) {
  const fs::path path(file);
  std::string stem = path.stem().string();
  for (size_t at = stem.find_last_of("_.-"); at != stem.npos && is_part_name(std::string_view(stem).substr(at + 1));
       at = stem.find_last_of("_.-")) {
    stem.erase(at);
  }
  if (!is_part_name(stem)) return stem;
  const std::string folder = fs::absolute(path).lexically_normal().parent_path().filename().string();
  return folder.empty() || is_part_name(folder) ? stem : folder;
}

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

void describe_answers(Task& task) {
  task.kind = TaskKind::kAnswer;
  task.delimiter = " ";
  task.likes_chat = true;
  task.stops = {"\n"};
}

Result<std::vector<std::vector<std::string>>> find_task_files(const std::vector<std::string>& paths) {
  if (is_label_family(paths)) return std::vector<std::vector<std::string>>{paths};
  std::vector<std::vector<std::string>> tasks;
  for (const std::string& path : paths) {
    TRY_ASSIGN(DataFiles found, find_data_files(path));
    std::vector<std::string> files = found.test.empty() ? std::move(found.train) : std::move(found.test);
    if (is_label_family(files)) {
      tasks.push_back(std::move(files));
      continue;
    }
    for (std::string& file : files) tasks.push_back({std::move(file)});
  }
  return tasks;
}

Result<Task> read_task(const std::vector<std::string>& files, const TaskOptions& options) {
  TRY(check_sheet(files, options.sheet));
  if (!options.prompt_template.empty() && options.prompt_template.find('{') == std::string::npos) {
    return usage_error("the template names no field of a row, so that all questions would be the same",
                       "for example: --template \"Question: {question}\\nAnswer:\"");
  }
  TRY_ASSIGN(Task task, read_items(files, options));
  if (options.shots >= 0) task.shots = options.shots;
  if (task.shots > 0) TRY(read_pool(task, options));
  if (task.kind == TaskKind::kLabel) TRY(collect_labels(task, options.prompt_template.empty()));
  return task;
}

}  // namespace linnet
