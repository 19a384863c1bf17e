#include "eval/task_forms.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <initializer_list>
#include <map>
#include <optional>

#include "base/json.hpp"
#include "eval/words.hpp"

namespace linnet {

namespace {

using Names = std::initializer_list<const char*>;

constexpr Names kTexts{"text", "utterance", "sentence", "message", "review"};
constexpr Names kLabels{"label", "intent", "category", "class", "sentiment"};
constexpr Names kDocuments{"text", "document", "article", "dialogue"};
constexpr Names kSummaries{"summary", "highlights", "keypoints", "abstract"};
constexpr size_t kMaxChoices = 26;  // A to Z

// The first of these fields that a row has.
const char* present(const Json& fields, Names names) {
  for (const char* name : names) {
    if (fields.contains(name) && !fields[name].is_null()) return name;
  }
  return nullptr;
}

bool has_all(const std::vector<Row>& rows, Names names) {
  return std::all_of(names.begin(), names.end(), [&](const char* name) { return rows[0].fields.contains(name); });
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

Status check_choices(const TaskItem& item, const std::string& place) {
  if (item.choices.size() >= 2 && item.choices.size() <= kMaxChoices) return ok_status();
  return invalid(fmt::format("has {} choices: 2 to {} are possible", item.choices.size(), kMaxChoices), place);
}

// A gold answer as an index, a letter, or the text of a choice (or its label).
Result<int32_t> gold_of(const Row& row, const char* name, std::span<const std::string> choices,
                        std::span<const std::string> labels, const std::string& place) {
  TRY_ASSIGN(const std::string gold, text_of(row, name, place));
  const std::string bare(strip(gold));
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

bool is_query(const std::vector<Row>& rows) {
  return has_all(rows, {"query", "choices", "gold"});
}

void describe_query(Task& task) {
  task.kind = TaskKind::kChoice;
  task.delimiter = " ";
}

Result<TaskItem> read_query(const Row& row, const Task& /*task*/, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.question, text_of(row, "query", place));
  TRY_ASSIGN(item.choices, texts_of(row.fields.value("choices", Json()), "choices", place));
  TRY(check_choices(item, place));
  TRY_ASSIGN(item.gold, gold_of(row, "gold", item.choices, {}, place));
  const size_t last_line = item.question.rfind('\n') + 1;
  if (item.question.compare(last_line, 9, "Question:") == 0) item.question += "\nAnswer:";
  item.request = item.question;
  item.target = item.choices[static_cast<size_t>(item.gold)];
  return item;
}

// ---- mmlu: question, choice0 … choice3, answer; or question, choices, answer ----

bool is_mmlu(const std::vector<Row>& rows) {
  if (has_all(rows, {"question", "choice0", "choice1", "answer"})) return true;
  return has_all(rows, {"question", "choices", "answer"}) && rows[0].fields["choices"].is_array();
}

void describe_mmlu(Task& task) {
  task.kind = TaskKind::kChoice;
  task.delimiter = " ";
  std::string subject = task.name;
  std::replace(subject.begin(), subject.end(), '_', ' ');
  task.preamble = "The following are multiple choice questions (with answers) about " + subject + ".\n\n";
}

Result<TaskItem> read_mmlu(const Row& row, const Task& /*task*/, const std::string& place) {
  TaskItem item;
  std::vector<std::string> texts;
  TRY_ASSIGN(const std::string question, text_of(row, "question", place));
  if (row.fields.contains("choices")) {
    TRY_ASSIGN(texts, texts_of(row.fields["choices"], "choices", place));
  }
  for (int i = 0; std::cmp_less(i, kMaxChoices) && !row.fields.contains("choices"); ++i) {
    const std::string name = "choice" + std::to_string(i);
    if (!row.fields.contains(name)) break;
    TRY_ASSIGN(texts.emplace_back(), text_of(row, name.c_str(), place));
  }
  item.question = std::string(strip(question));
  for (size_t i = 0; i < texts.size() && i < kMaxChoices; ++i) {
    item.choices.emplace_back(1, static_cast<char>('A' + i));
    item.question += fmt::format("\n{}. {}", item.choices.back(), texts[i]);
  }
  TRY(check_choices(item, place));
  item.question += "\nAnswer:";
  TRY_ASSIGN(item.gold, gold_of(row, "answer", item.choices, {}, place));
  item.request = item.question;
  item.target = item.choices[static_cast<size_t>(item.gold)];
  return item;
}

// ---- arc: question, choices {text, label}, answerKey ----

bool is_arc(const std::vector<Row>& rows) {
  return has_all(rows, {"question", "choices", "answerKey"});
}

Result<TaskItem> read_arc(const Row& row, const Task& /*task*/, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(const std::string question, text_of(row, "question", place));
  const Json choices = row.fields.value("choices", Json());
  if (!choices.is_object()) return invalid("\"choices\" must hold \"text\" and \"label\"", place);
  TRY_ASSIGN(item.choices, texts_of(choices.value("text", Json()), "choices.text", place));
  TRY_ASSIGN(const std::vector<std::string> labels, texts_of(choices.value("label", Json()), "choices.label", place));
  TRY(check_choices(item, place));
  if (labels.size() != item.choices.size()) return invalid("\"choices\" has not as many labels as texts", place);
  TRY_ASSIGN(item.gold, gold_of(row, "answerKey", item.choices, labels, place));
  item.question = "Question: " + question + "\nAnswer:";
  item.request = item.question;
  item.target = item.choices[static_cast<size_t>(item.gold)];
  return item;
}

// ---- context, continuation ----

bool is_continuation(const std::vector<Row>& rows) {
  return has_all(rows, {"context", "continuation"});
}

void describe_continuation(Task& task) {
  task.kind = TaskKind::kContinuation;
}

Result<TaskItem> read_continuation(const Row& row, const Task& /*task*/, const std::string& place) {
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

bool is_number(const std::vector<Row>& rows) {
  if (!has_all(rows, {"question", "answer"})) return false;
  const Json& answer = rows[0].fields["answer"];
  return answer.is_string() && answer.get_ref<const std::string&>().find("#### ") != std::string::npos;
}

void describe_number(Task& task) {
  task.kind = TaskKind::kNumber;
  task.delimiter = " ";
  task.shots = 5;
  task.stops = {"Question:", "</s>", "<|im_end|>"};
}

Result<TaskItem> read_number(const Row& row, const Task& /*task*/, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.request, text_of(row, "question", place));
  TRY_ASSIGN(item.target, text_of(row, "answer", place));
  if (item.target.find("#### ") == item.target.npos)
    return invalid("\"answer\" has no \"#### \" before its number", place);
  item.question = "Question: " + item.request + "\nAnswer:";
  item.references = {item.target};
  return item;
}

// ---- answers: question, answer or answers, context, facts ----

bool is_answer(const std::vector<Row>& rows) {
  return has_all(rows, {"question", "answer"}) || has_all(rows, {"question", "answers"}) ||
         has_all(rows, {"context", "answer"});
}

void describe_answer(Task& task) {
  task.kind = TaskKind::kAnswer;
  task.delimiter = " ";
  task.likes_chat = true;
  task.stops = {"\n"};
}

// "answer": one text; "answers": a list of texts or of SQuAD's {"text"}, or {"text": [...]}.
Result<std::vector<std::string>> answers_of(const Row& row, const std::string& place) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& text) {
    if (strip(text).empty() || std::find(out.begin(), out.end(), text) != out.end()) return;
    out.push_back(text);
  };
  if (row.fields.contains("answer")) {
    TRY_ASSIGN(const std::string text, text_of(row, "answer", place));
    add(text);
    return out;
  }
  Json list = row.fields.value("answers", Json());
  if (list.is_object()) list = list.value("text", Json());
  if (!list.is_array()) return invalid("\"answers\" must be a list", place);
  for (const Json& one : list) {
    const Json text = one.is_object() ? one.value("text", Json()) : one;
    if (!text.is_string()) return invalid("\"answers\" must hold texts", place);
    add(text.get<std::string>());
  }
  return out;
}

Result<TaskItem> read_answer(const Row& row, const Task& /*task*/, const std::string& place) {
  TaskItem item;
  TRY_ASSIGN(item.references, answers_of(row, place));
  item.target = item.references.empty() ? "unanswerable" : item.references.front();
  if (present(row.fields, {"facts"})) {
    TRY_ASSIGN(item.facts, text_of(row, "facts", place));
  }
  const char* asked = present(row.fields, {"question", "context"});
  TRY_ASSIGN(const std::string question, text_of(row, asked ? asked : "question", place));
  item.request = question;
  item.question = "Question: " + question + "\nAnswer:";
  if (std::string_view(asked) == "question" && present(row.fields, {"context"})) {
    TRY_ASSIGN(const std::string context, text_of(row, "context", place));
    item.request = context + "\n\n" + question;
    item.question = "Background: " + context + "\n\nQuestion: " + question + "\n\nAnswer:";
    if (present(row.fields, {"title"})) {
      TRY_ASSIGN(const std::string title, text_of(row, "title", place));
      item.question = "Title: " + title + "\n\n" + item.question;
    }
  }
  return item;
}

// ---- summaries ----

bool is_summary(const std::vector<Row>& rows) {
  return present(rows[0].fields, kDocuments) && present(rows[0].fields, kSummaries);
}

void describe_summary(Task& task) {
  task.kind = TaskKind::kSummary;
  task.delimiter = " ";
  task.likes_chat = true;
  task.stops = {"\n\n"};
}

Result<TaskItem> read_summary(const Row& row, const Task& /*task*/, const std::string& place) {
  TaskItem item;
  const char* document = present(row.fields, kDocuments);
  const char* summary = present(row.fields, kSummaries);
  if (!document || !summary) return invalid("has no text or no summary", place);
  TRY_ASSIGN(const std::string text, text_of(row, document, place));
  if (row.fields[summary].is_array()) {
    TRY_ASSIGN(const std::vector<std::string> points, texts_of(row.fields[summary], summary, place));
    for (const std::string& point : points) item.target += (item.target.empty() ? "" : "\n") + point;
  } else {
    TRY_ASSIGN(item.target, text_of(row, summary, place));
  }
  if (strip(item.target).empty()) return invalid(fmt::format("\"{}\" is empty", summary), place);
  item.references = {item.target};
  item.question = text + "\n\nSummary:";
  item.request = "Summarise this text in a few sentences.\n\n" + text;
  return item;
}

// ---- labels: a text and a label; or two columns, the first or second of few values ----

// Which of the columns "1" and "2" holds labels: its values come again and again.
const char* label_column(const std::vector<Row>& rows) {
  if (rows[0].fields.size() != 2 || !rows[0].fields.contains("1") || rows.size() < 4) return nullptr;
  for (const char* column : {"1", "2"}) {
    std::map<std::string, size_t> counts;
    for (const Row& row : rows) {
      if (row.fields[column].is_string()) ++counts[row.fields[column].get<std::string>()];
      if (counts.size() > kMaxLabels) break;
    }
    if (counts.size() <= kMaxLabels && counts.size() * 10 <= rows.size()) return column;
  }
  return nullptr;
}

bool is_label(const std::vector<Row>& rows) {
  return present(rows[0].fields, kTexts) && present(rows[0].fields, kLabels);
}

void describe_label(Task& task) {
  task.kind = TaskKind::kLabel;
  task.delimiter = " ";
}

Result<TaskItem> read_label_of(const Row& row, const char* text, const char* label, const std::string& place) {
  TaskItem item;
  if (!text || !label) return invalid("has no text or no label", place);
  TRY_ASSIGN(const std::string words, text_of(row, text, place));
  TRY_ASSIGN(const std::string told, text_of(row, label, place));
  item.target = std::string(strip(told));
  if (item.target.empty()) return invalid(fmt::format("\"{}\" is empty", label), place);
  item.question = "Text: " + words + "\nLabel:";
  item.request = words;
  return item;
}

Result<TaskItem> read_label(const Row& row, const Task& /*task*/, const std::string& place) {
  return read_label_of(row, present(row.fields, kTexts), present(row.fields, kLabels), place);
}

bool is_label_first(const std::vector<Row>& rows) {
  const char* column = label_column(rows);
  return column && column[0] == '1';
}
bool is_label_second(const std::vector<Row>& rows) {
  const char* column = label_column(rows);
  return column && column[0] == '2';
}
Result<TaskItem> read_label_first(const Row& row, const Task& /*task*/, const std::string& place) {
  return read_label_of(row, "2", "1", place);
}
Result<TaskItem> read_label_second(const Row& row, const Task& /*task*/, const std::string& place) {
  return read_label_of(row, "1", "2", place);
}

// ---- translations: source, target; or two columns of a file that is called after its languages ----

struct Languages {
  std::string from = "Source", to = "Translation";
};

Languages languages_of(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kLanguages{{
      {"en", "English"},    {"de", "German"}, {"fr", "French"},  {"es", "Spanish"},  {"it", "Italian"},
      {"pt", "Portuguese"}, {"nl", "Dutch"},  {"sv", "Swedish"}, {"da", "Danish"},   {"no", "Norwegian"},
      {"fi", "Finnish"},    {"pl", "Polish"}, {"cs", "Czech"},   {"ru", "Russian"},  {"uk", "Ukrainian"},
      {"tr", "Turkish"},    {"ar", "Arabic"}, {"zh", "Chinese"}, {"ja", "Japanese"}, {"ko", "Korean"},
  }};
  const auto full = [&](std::string_view code) -> std::string {
    for (const auto& [short_name, language] : kLanguages) {
      if (short_name == code) return std::string(language);
    }
    return {};
  };
  if (name.size() < 5 || (name[2] != '-' && name[2] != '_')) return {};
  const std::string from = full(name.substr(0, 2)), to = full(name.substr(3, 2));
  return from.empty() || to.empty() ? Languages{} : Languages{from, to};
}

bool is_translation(const std::vector<Row>& rows) {
  const Json& first = rows[0].fields;
  return has_all(rows, {"source", "target"}) || (first.size() == 2 && first.contains("1") && !label_column(rows));
}

void describe_translation(Task& task) {
  task.kind = TaskKind::kTranslation;
  task.delimiter = " ";
  task.likes_chat = true;
  task.max_tokens = 128;
  task.stops = {"\n"};
}

Result<TaskItem> read_translation(const Row& row, const Task& task, const std::string& place) {
  const bool bare = row.fields.contains("1") && !row.fields.contains("source");
  TaskItem item;
  TRY_ASSIGN(const std::string source, text_of(row, bare ? "1" : "source", place));
  TRY_ASSIGN(item.target, text_of(row, bare ? "2" : "target", place));
  const Languages languages = languages_of(task.name);
  item.references = {item.target};
  item.question = languages.from + ": " + source + "\n" + languages.to + ":";
  item.request =
      languages.to == "Translation" ? "Translate: " + source : "Translate into " + languages.to + ": " + source;
  return item;
}

// The first that matches is taken, so the special stand before the general.
constexpr std::array<Form, 11> kForms{{
    {"query, choices, gold", is_query, describe_query, read_query},
    {"question, choices {text, label}, answerKey", is_arc, describe_query, read_arc},
    {"question, choices (or choice0, choice1, …), answer", is_mmlu, describe_mmlu, read_mmlu},
    {"context, continuation", is_continuation, describe_continuation, read_continuation},
    {"question, answer with #### and a number", is_number, describe_number, read_number},
    {"question, answer (or answers), with context and facts where they are", is_answer, describe_answer, read_answer},
    {"text, summary (or keypoints)", is_summary, describe_summary, read_summary},
    {"text, label", is_label, describe_label, read_label},
    {"two columns, label and text", is_label_first, describe_label, read_label_first},
    {"two columns, text and label", is_label_second, describe_label, read_label_second},
    {"source, target (or two columns)", is_translation, describe_translation, read_translation},
}};

}  // namespace

const Form* find_form(const std::vector<Row>& rows) {
  const auto found = std::find_if(kForms.begin(), kForms.end(), [&](const Form& form) { return form.matches(rows); });
  return found == kForms.end() ? nullptr : &*found;
}

std::string known_forms() {
  std::string out;
  for (const Form& form : kForms) out += std::string(out.empty() ? "" : "; ") + form.name;
  return out;
}

}  // namespace linnet
