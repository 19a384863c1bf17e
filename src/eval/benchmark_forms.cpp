#include "eval/benchmark_forms.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <initializer_list>
#include <span>

#include "base/json.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

using Names = std::initializer_list<const char*>;

constexpr size_t kMaxChoices = 26;  // A to Z

bool has_all(const Json& fields, Names names) {
  return std::all_of(names.begin(), names.end(), [&](const char* name) { return fields.contains(name); });
}

// A field's text; numbers as they are written.
Result<std::string> text_of(const Row& row, const char* name, const std::string& place) {
  const auto found = row.fields.find(name);
  if (found == row.fields.end()) return invalid(fmt::format("has no field \"{}\"", name), place);
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number() || found->is_boolean()) return dump_json(*found);
  return invalid(fmt::format("\"{}\" must be text", name), place);
}

Result<std::vector<std::string>> texts_of(const Json& list, const char* name, const std::string& place) {
  std::vector<std::string> out;
  if (!list.is_array()) return invalid(fmt::format("\"{}\" must be a list of texts", name), place);
  for (const Json& one : list) {
    if (!one.is_string()) return invalid(fmt::format("\"{}\" must be a list of texts", name), place);
    out.push_back(one.get<std::string>());
  }
  return out;
}

Status check_choices(const std::vector<std::string>& choices, const std::string& place) {
  if (choices.size() >= 2 && choices.size() <= kMaxChoices) return ok_status();
  return invalid(fmt::format("has {} choices: 2 to {} are possible", choices.size(), kMaxChoices), place);
}

// A gold answer as an index, a letter, or the text of a choice (or its label).
Result<int32_t> gold_of(const Row& row, const char* name, std::span<const std::string> choices,
                        std::span<const std::string> labels, const std::string& place) {
  TRY_ASSIGN(const std::string gold, text_of(row, name, place));
  const std::string bare(jinja::strip_space(gold, true, true));
  for (const auto& list : {labels, choices}) {
    const auto found = std::find(list.begin(), list.end(), bare);
    if (found != list.end() && !row.fields[name].is_number()) return static_cast<int32_t>(found - list.begin());
  }
  const bool digits = !bare.empty() && bare.size() <= 2 && bare.find_first_not_of("0123456789") == bare.npos;
  const int64_t index = digits                                                 ? std::stoi(bare)
                        : bare.size() == 1 && bare[0] >= 'A' && bare[0] <= 'Z' ? bare[0] - 'A'
                                                                               : -1;
  if (index >= 0 && std::cmp_less(index, choices.size())) return static_cast<int32_t>(index);
  return invalid(fmt::format("\"{}\" is \"{}\", which is none of the {} choices", name, bare, choices.size()), place,
                 "it is a place from 0, a letter from A, or the text of a choice");
}

// ---- query, choices, gold ----

bool is_query(const Json& fields) {
  return has_all(fields, {"query", "choices", "gold"});
}

void describe_query(Task& task) {
  task.kind = TaskKind::kChoice;
  task.delimiter = " ";
}

Result<TaskItem> read_query(const Row& row, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.question, text_of(row, "query", place));
  TRY_ASSIGN(item.choices, texts_of(row.fields.value("choices", Json()), "choices", place));
  TRY(check_choices(item.choices, place));
  TRY_ASSIGN(item.gold, gold_of(row, "gold", item.choices, {}, place));
  const size_t last_line = item.question.rfind('\n') + 1;
  if (item.question.compare(last_line, 9, "Question:") == 0) item.question += "\nAnswer:";
  item.request = item.question;
  item.target = item.choices[static_cast<size_t>(item.gold)];
  return item;
}

// ---- mmlu: question, choice0 … choice3, answer; or question, choices, answer ----

bool is_mmlu(const Json& fields) {
  if (has_all(fields, {"question", "choice0", "choice1", "answer"})) return true;
  return has_all(fields, {"question", "choices", "answer"}) && fields["choices"].is_array();
}

void describe_mmlu(Task& task) {
  task.kind = TaskKind::kChoice;
  task.delimiter = " ";
  std::string subject = task.name;
  std::replace(subject.begin(), subject.end(), '_', ' ');
  task.preamble = "The following are multiple choice questions (with answers) about " + subject + ".\n\n";
}

Result<TaskItem> read_mmlu(const Row& row, const std::string& place) {
  TaskItem item;
  std::vector<std::string> texts;
  TRY_ASSIGN(const std::string question, text_of(row, "question", place));
  if (row.fields.contains("choices")) {
    TRY_ASSIGN(texts, texts_of(row.fields["choices"], "choices", place));
  }
  std::string name = "choice0";
  // One more than may be is enough to see that they are too many.
  while (!row.fields.contains("choices") && texts.size() <= kMaxChoices && row.fields.contains(name)) {
    TRY_ASSIGN(texts.emplace_back(), text_of(row, name.c_str(), place));
    name = fmt::format("choice{}", texts.size());
  }
  TRY(check_choices(texts, place));
  item.question = std::string(jinja::strip_space(question, true, true));
  for (size_t i = 0; i < texts.size(); ++i) {
    item.choices.emplace_back(1, static_cast<char>('A' + i));
    item.question += fmt::format("\n{}. {}", item.choices.back(), texts[i]);
  }
  item.question += "\nAnswer:";
  TRY_ASSIGN(item.gold, gold_of(row, "answer", item.choices, {}, place));
  item.request = item.question;
  item.target = item.choices[static_cast<size_t>(item.gold)];
  return item;
}

// ---- arc: question, choices {text, label}, answerKey ----

bool is_arc(const Json& fields) {
  return has_all(fields, {"question", "choices", "answerKey"});
}

Result<TaskItem> read_arc(const Row& row, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(const std::string question, text_of(row, "question", place));
  const Json choices = row.fields.value("choices", Json());
  if (!choices.is_object()) return invalid("\"choices\" must hold \"text\" and \"label\"", place);
  TRY_ASSIGN(item.choices, texts_of(choices.value("text", Json()), "choices.text", place));
  TRY_ASSIGN(const std::vector<std::string> labels, texts_of(choices.value("label", Json()), "choices.label", place));
  TRY(check_choices(item.choices, place));
  if (labels.size() != item.choices.size()) return invalid("\"choices\" has not as many labels as texts", place);
  TRY_ASSIGN(item.gold, gold_of(row, "answerKey", item.choices, labels, place));
  item.question = "Question: " + question + "\nAnswer:";
  item.request = item.question;
  item.target = item.choices[static_cast<size_t>(item.gold)];
  return item;
}

// ---- context, continuation ----

bool is_continuation(const Json& fields) {
  return has_all(fields, {"context", "continuation"});
}

void describe_continuation(Task& task) {
  task.kind = TaskKind::kContinuation;
}

Result<TaskItem> read_continuation(const Row& row, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.question, text_of(row, "context", place));
  TRY_ASSIGN(item.target, text_of(row, "continuation", place));
  if (item.target.empty()) return invalid("\"continuation\" is empty", place);
  // A word follows after a space, a result right after its "=".
  const bool joined =
      item.question.empty() || std::string_view(" \n\t=([").find(item.question.back()) != std::string_view::npos;
  if (!joined && item.target[0] != ' ') item.target = ' ' + item.target;
  item.choices = {item.target};
  item.request = item.question;
  return item;
}

// ---- gsm8k: question, answer with "#### 18" ----

bool is_number(const Json& fields) {
  if (!has_all(fields, {"question", "answer"})) return false;
  const Json& answer = fields["answer"];
  return answer.is_string() && answer.get_ref<const std::string&>().find("#### ") != std::string::npos;
}

void describe_number(Task& task) {
  task.kind = TaskKind::kNumber;
  task.delimiter = " ";
  task.shots = 5;
  task.stops = {"Question:", "</s>", "<|im_end|>"};
}

Result<TaskItem> read_number(const Row& row, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.request, text_of(row, "question", place));
  TRY_ASSIGN(item.target, text_of(row, "answer", place));
  if (item.target.find("#### ") == item.target.npos)
    return invalid("\"answer\" has no \"#### \" before its number", place);
  item.question = "Question: " + item.request + "\nAnswer:";
  item.references = {item.target};
  return item;
}

// ---- reading comprehension: context, question, answers (SQuAD); context, answer (SVAMP) ----

bool is_reading(const Json& fields) {
  return has_all(fields, {"question", "answers"}) || has_all(fields, {"context", "answer"});
}

// "answer": one text; "answers": a list of texts or of SQuAD's {"text"}, or {"text": [...]}.
Result<std::vector<std::string>> answers_of(const Row& row, const std::string& place) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& text) {
    if (jinja::strip_space(text, true, true).empty() || std::find(out.begin(), out.end(), text) != out.end()) return;
    out.push_back(text);
  };
  if (!row.fields.contains("answers")) {
    TRY_ASSIGN(const std::string text, text_of(row, "answer", place));
    add(text);
    return out;
  }
  Json list = row.fields["answers"];
  if (list.is_object()) list = list.value("text", Json());
  if (!list.is_array()) return invalid("\"answers\" must be a list", place);
  for (const Json& one : list) {
    const Json text = one.is_object() ? one.value("text", Json()) : one;
    if (!text.is_string()) return invalid("\"answers\" must hold texts", place);
    add(text.get<std::string>());
  }
  return out;
}

Result<TaskItem> read_reading(const Row& row, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.references, answers_of(row, place));
  item.target = item.references.empty() ? kUnanswerable : item.references.front();
  const bool has_context = row.fields.contains("context");
  TRY_ASSIGN(item.request, text_of(row, row.fields.contains("question") ? "question" : "context", place));
  item.question = "Question: " + item.request + "\nAnswer:";
  if (!has_context || !row.fields.contains("question")) return item;
  TRY_ASSIGN(const std::string context, text_of(row, "context", place));
  item.question = "Background: " + context + "\n\nQuestion: " + item.request + "\n\nAnswer:";
  item.request = context + "\n\n" + item.request;
  if (!row.fields.contains("title")) return item;
  TRY_ASSIGN(const std::string title, text_of(row, "title", place));
  item.question = "Title: " + title + "\n\n" + item.question;
  return item;
}

// The first that matches is taken, so the special stand before the general.
constexpr std::array<BenchmarkForm, 6> kForms{{
    {"query, choices, gold", is_query, describe_query, read_query},
    {"question, choices {text, label}, answerKey", is_arc, describe_query, read_arc},
    {"question, choices (or choice0, choice1, …), answer", is_mmlu, describe_mmlu, read_mmlu},
    {"context, continuation", is_continuation, describe_continuation, read_continuation},
    {"question, answer with #### and a number", is_number, describe_number, read_number},
    {"context, question, answers (or context, answer)", is_reading, describe_answers, read_reading},
}};

}  // namespace

const BenchmarkForm* find_benchmark_form(const std::vector<Row>& rows) {
  const auto found = std::find_if(kForms.begin(), kForms.end(),
                                  [&](const BenchmarkForm& form) { return form.matches(rows.front().fields); });
  return found == kForms.end() ? nullptr : &*found;
}

std::string list_of_benchmark_forms() {
  std::string out;
  for (const BenchmarkForm& form : kForms) out += fmt::format("{}    {}", out.empty() ? "" : "\n", form.name);
  return out;
}

}  // namespace linnet
