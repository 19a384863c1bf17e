#include "eval/sample_items.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <unordered_map>

#include "eval/rouge.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

struct Languages {
  std::string from = "Source", to = "Translation";
  bool known = false;
};

// "en-de" is English and German.
Languages languages_of(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kLanguages{{
      {"en", "English"},    {"de", "German"}, {"fr", "French"},  {"es", "Spanish"},  {"it", "Italian"},
      {"pt", "Portuguese"}, {"nl", "Dutch"},  {"sv", "Swedish"}, {"da", "Danish"},   {"no", "Norwegian"},
      {"fi", "Finnish"},    {"pl", "Polish"}, {"cs", "Czech"},   {"ru", "Russian"},  {"uk", "Ukrainian"},
      {"tr", "Turkish"},    {"ar", "Arabic"}, {"zh", "Chinese"}, {"ja", "Japanese"}, {"ko", "Korean"},
  }};
  const auto find = [&](std::string_view code) {
    return std::find_if(kLanguages.begin(), kLanguages.end(), [&](const auto& one) { return one.first == code; });
  };
  if (name.size() != 5 || (name[2] != '-' && name[2] != '_')) return {};
  const auto from = find(std::string_view(name).substr(0, 2)), to = find(std::string_view(name).substr(3));
  if (from == kLanguages.end() || to == kLanguages.end()) return {};
  return {std::string(from->second), std::string(to->second), true};
}

void describe_labels(Task& task) {
  task.kind = TaskKind::kLabel;
  task.delimiter = " ";
}

Status describe(const Samples& samples, Task& task) {
  switch (samples.form) {
    case DataForm::kLabels:
      describe_labels(task);
      return ok_status();
    case DataForm::kSummary:
      describe_writing(TaskKind::kSummary, task);
      return ok_status();
    case DataForm::kQuestionAnswer:
    case DataForm::kTestList:
      describe_answers(task);
      return ok_status();
    case DataForm::kPromptCompletion:
      if (samples.pairs || names_languages(task.name)) {
        describe_writing(TaskKind::kTranslation, task);
      } else {
        describe_answers(task);
      }
      return ok_status();
    case DataForm::kText:
      return unsupported("holds texts, which are foreseen and not answered", task.path,
                         "linnet eval MODEL --text FILE, one text file at a time");
    default:
      return unsupported(fmt::format("holds {}, which have no score", form_name(samples.form)), task.path,
                         "bring them into one of these forms: question, answer; prompt, completion; text, label; "
                         "document, summary");
  }
}

Result<TaskItem> read_item(const Sample& sample, const Task& task) {
  TaskItem item;
  if (!sample.messages.empty() && sample.messages.front().value("role", "") == "system") {
    return unsupported("has a system message, and eval asks without one", sample.place, "leave that column out");
  }
  item.request = phrasing_of(sample);
  item.target = answer_of(sample);
  const bool empty = jinja::strip_space(item.target, true, true).empty();
  if (task.kind == TaskKind::kAnswer) {
    item.question = "Question: " + item.request + "\nAnswer:";
    if (task.data_form == DataForm::kTestList) item.facts = sample.facts;
    if (!empty) item.references = {item.target};
    if (empty) item.target = kUnanswerable;
    return item;
  }
  if (empty) return invalid("has an empty label, summary or translation", sample.place);
  if (task.kind == TaskKind::kLabel) {
    item.target = std::string(jinja::strip_space(item.target, true, true));
    item.question = "Text: " + item.request + "\nLabel:";
    return item;
  }
  item.references = {item.target};
  if (task.kind == TaskKind::kSummary) {
    // What cannot be scored is said now, and not when the model has written for an hour.
    if (Result<RougeScores> scored = rouge("", item.references, false); !scored.ok()) {
      return std::move(scored).error().at(sample.place);
    }
    item.question = item.request + "\n\nSummary:";
  } else {
    const Languages languages = languages_of(task.name);
    item.question = languages.from + ": " + item.request + "\n" + languages.to + ":";
  }
  return item;
}

}  // namespace

bool names_languages(const std::string& name) {
  return languages_of(name).known;
}

void describe_writing(TaskKind kind, Task& task) {
  task.kind = kind;
  task.delimiter = " ";
  task.likes_chat = true;
  if (kind == TaskKind::kSummary) {
    task.instruction = "Summarize the key points:\n\n";
    task.stops = {"\n\n"};
    return;
  }
  const Languages languages = languages_of(task.name);
  task.instruction = languages.known ? "Translate into " + languages.to + ": " : "Translate: ";
  task.max_tokens = 128;
  task.stops = {"\n"};
}

void join_references(Task& task) {
  std::unordered_map<std::string_view, size_t> first;
  std::vector<TaskItem> joined;
  joined.reserve(task.items.size());  // whose requests the map looks at
  for (TaskItem& item : task.items) {
    const auto known = first.find(item.request);
    if (known == first.end()) {
      joined.push_back(std::move(item));
      first.emplace(joined.back().request, joined.size() - 1);
    } else {
      std::ranges::move(item.references, std::back_inserter(joined[known->second].references));
    }
  }
  task.items = std::move(joined);
}

Status read_sample_items(const Samples& samples, Task& task) {
  task.data_form = samples.form;
  task.form = form_name(samples.form);
  TRY(describe(samples, task));
  return add_sample_items(samples.samples, task);
}

Status add_sample_items(const std::vector<Sample>& samples, Task& task) {
  for (const Sample& sample : samples) {
    TRY_ASSIGN(TaskItem item, read_item(sample, task));
    item.number = static_cast<int64_t>(task.items.size()) + 1;
    task.items.push_back(std::move(item));
  }
  return ok_status();
}

}  // namespace linnet
