#include "eval/item_log.hpp"

#include <filesystem>
#include <fmt/core.h>
#include <set>

#include "base/file.hpp"
#include "base/json.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

constexpr const char* kNoLog = "this is not a log that linnet eval --log wrote";

Result<std::vector<std::string>> read_texts(const Json* list, const char* what, const std::string& place) {
  std::vector<std::string> out;
  if (!list || !list->is_array()) return invalid(fmt::format("{} must be a list of texts", what), place);
  for (const Json& one : *list) {
    if (!one.is_string()) return invalid(fmt::format("{} must be a list of texts", what), place);
    out.push_back(one.get<std::string>());
  }
  return out;
}

Result<std::vector<Fact>> read_facts(const Json& list, const std::string& place) {
  std::vector<Fact> facts;
  if (!list.is_array()) return invalid("\"facts\" must be a list of lists of texts", place);
  for (const Json& one : list) {
    TRY_ASSIGN(Fact fact, read_texts(&one, "a fact of \"facts\"", place));
    facts.push_back(std::move(fact));
  }
  return facts;
}

Status read_choices(const JsonObject& line, ItemRecord& record) {
  TRY_ASSIGN(record.choices, read_texts(line.find("choices"), "\"choices\"", line.place()));
  TRY_ASSIGN(record.delimiter, line.string("delimiter"));
  TRY_ASSIGN(record.log_likelihoods, line.numbers("log_likelihoods"));
  const Json* greedy = line.find("greedy");
  if (!greedy || !greedy->is_array()) return invalid("\"greedy\" must be a list", line.place());
  for (const Json& one : *greedy) {
    if (!one.is_boolean()) return invalid("\"greedy\" must hold true and false", line.place());
    record.greedy.push_back(one.get<bool>());
  }
  const size_t count = record.choices.size();
  if (count == 0 || record.log_likelihoods.size() != count || record.greedy.size() != count) {
    return invalid("\"choices\", \"log_likelihoods\" and \"greedy\" must be of one length", line.place());
  }
  TRY_ASSIGN(const int64_t gold, line.integer("gold", 0, static_cast<int64_t>(count) - 1));
  record.gold = static_cast<int32_t>(gold);
  return ok_status();
}

Result<ItemRecord> read_record(const JsonObject& line, TaskKind kind) {
  ItemRecord record;
  TRY_ASSIGN(record.item, line.integer("item", 0, INT64_MAX));
  TRY_ASSIGN(record.context, line.string("context"));
  if (!is_generated(kind)) {
    TRY(read_choices(line, record));
    return record;
  }
  TRY_ASSIGN(record.output, line.string("output"));
  TRY_ASSIGN(record.references, read_texts(line.find("references"), "\"references\"", line.place()));
  if (kind != TaskKind::kAnswer && record.references.empty()) {
    return invalid("\"references\" is empty", line.place());
  }
  if (const Json* facts = line.find("facts")) {
    TRY_ASSIGN(record.facts, read_facts(*facts, line.place()));
  }
  return record;
}

Json to_json(const ItemRecord& record, const std::string& task, TaskKind kind) {
  Json line = {{"task", task}, {"item", record.item}, {"context", record.context}};
  if (!is_generated(kind)) {
    line["delimiter"] = record.delimiter;
    line["choices"] = record.choices;
    line["gold"] = record.gold;
    line["log_likelihoods"] = record.log_likelihoods;
    line["greedy"] = record.greedy;
    return line;
  }
  line["output"] = record.output;
  line["references"] = record.references;
  if (record.facts) line["facts"] = *record.facts;
  return line;
}

}  // namespace

int32_t ItemRecord::likeliest(bool by_length) const {
  const auto score = [&](size_t i) {
    const auto length = static_cast<double>(jinja::code_points(choices[i]));
    return by_length ? log_likelihoods[i] / length : log_likelihoods[i];
  };
  size_t best = 0;
  for (size_t i = 1; i < choices.size(); ++i) {
    if (score(i) > score(best)) best = i;
  }
  return static_cast<int32_t>(best);
}

Result<ItemLog> ItemLog::create(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    return usage_error(path + " is there already", "give another name to --log, or remove it");
  }
  TRY_ASSIGN(PartFile file, PartFile::open(path));
  return ItemLog(std::move(file));
}

Status ItemLog::write(const Json& line) {
  const std::string text = dump_json(line) + "\n";
  return file_.append(std::as_bytes(std::span(text)));
}

Status ItemLog::begin(const std::string& task, TaskKind kind, const Json& settings) {
  task_ = task;
  kind_ = kind;
  return write({{"task", task}, {"kind", std::string(task_kind_name(kind))}, {"settings", settings}});
}

Status ItemLog::add(const ItemRecord& record) {
  return write(to_json(record, task_, kind_));
}

Result<std::vector<TaskLog>> parse_item_log(std::string_view text, const std::string& place) {
  std::vector<TaskLog> tasks;
  std::set<std::string> names;
  std::set<int64_t> seen;
  int64_t number = 0;
  // A run that was killed may have left the beginning of a line.
  text = text.substr(0, text.rfind('\n') + 1);
  for (size_t length = 0; !text.empty(); text.remove_prefix(length + 1)) {
    length = text.find('\n');
    const std::string_view line = text.substr(0, length);
    const std::string here = fmt::format("{}, line {}", place, ++number);
    if (jinja::strip_space(line, true, true).empty()) continue;
    TRY_ASSIGN(const Json json, parse_json(line, here));
    TRY_ASSIGN(const JsonObject object, JsonObject::of(json, here));
    if (!object.has("task")) return invalid("has no \"task\"", here, kNoLog);
    TRY_ASSIGN(const std::string task, object.string("task"));
    if (object.has("settings")) {
      TRY_ASSIGN(const std::string kind_name, object.string("kind"));
      const std::optional<TaskKind> kind = task_kind_of(kind_name);
      if (!kind) return invalid("\"kind\" is \"" + kind_name + "\", which is no kind of task", here);
      if (!names.insert(task).second) return invalid("the task \"" + task + "\" begins twice", here);
      tasks.push_back({task, *kind, std::make_shared<const Json>(json["settings"]), {}});
      seen.clear();
      continue;
    }
    if (tasks.empty() || tasks.back().task != task) {
      return invalid("an item of \"" + task + "\" comes before a line with the task's settings", here, kNoLog);
    }
    TRY_ASSIGN(ItemRecord record, read_record(object, tasks.back().kind));
    TaskLog& log = tasks.back();
    const bool other_labels =
        log.kind == TaskKind::kLabel && !log.items.empty() && log.items[0].choices != record.choices;
    if (other_labels || (log.kind == TaskKind::kLabel && record.choices.size() > kMaxLabels)) {
      return invalid("\"choices\" must be the same labels in all items of a task", here);
    }
    if (!seen.insert(record.item).second) return invalid(fmt::format("item {} comes twice", record.item), here);
    log.items.push_back(std::move(record));
  }
  if (tasks.empty()) return invalid("holds no results", place, "logs are written by: linnet eval MODEL FILE --log LOG");
  return tasks;
}

Result<std::vector<TaskLog>> read_item_log(const std::string& path) {
  TRY_ASSIGN(const std::string text, read_file(path));
  return parse_item_log(text, path);
}

}  // namespace linnet
