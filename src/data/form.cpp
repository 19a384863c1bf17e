#include "data/form.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <span>

#include "base/similar.hpp"
#include "base/strings.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

struct UseNames {
  FieldUse use;
  std::string_view key;                 // what a person calls it in ColumnNames; empty: not to be named
  std::vector<std::string_view> names;  // in the file, the likeliest first
};

const std::vector<UseNames>& use_names() {
  static const std::vector<UseNames> table = {
      {FieldUse::kText,
       "text",
       {"text", "utterance", "sentence", "message", "review", "comment", "tweet", "content", "body"}},
      {FieldUse::kQuestion, "question", {"question", "frage", "pregunta", "domanda", "pergunta", "vraag", "fråga"}},
      {FieldUse::kAnswer,
       "answer",
       {"answer", "antwort", "respuesta", "réponse", "reponse", "risposta", "resposta", "antwoord", "svar"}},
      {FieldUse::kFacts, "facts", {"facts", "key_facts", "fakten"}},
      {FieldUse::kPrompt, "prompt", {"prompt", "source", "input"}},
      {FieldUse::kCompletion, "completion", {"completion", "response", "reply", "output", "target"}},
      {FieldUse::kMessages, "messages", {"messages", "conversations", "conversation"}},
      {FieldUse::kTools, "", {"tools", "functions"}},
      {FieldUse::kSystem, "system", {"system", "system_prompt"}},
      {FieldUse::kInstruction, "instruction", {"instruction"}},
      {FieldUse::kInput, "input", {"input", "context"}},
      {FieldUse::kOutput, "output", {"output", "response", "completion"}},
      {FieldUse::kInstances, "", {"instances"}},
      {FieldUse::kChosen, "chosen", {"chosen"}},
      {FieldUse::kRejected, "rejected", {"rejected"}},
      {FieldUse::kLabel,
       "label",
       {"label", "intent", "class", "category", "sentiment", "topic", "emotion", "kategorie", "target", "tag"}},
      {FieldUse::kDocument, "document", {"document", "article", "dialogue", "text", "content"}},
      {FieldUse::kSummary, "summary", {"summary", "highlights", "keypoints", "key_points", "tldr"}},
  };
  return table;
}

// "Key Facts " and "key-facts" are "key_facts".
std::string plain_name(std::string_view name) {
  std::string out = jinja::encode(jinja::casefold(jinja::decode(jinja::strip_space(name, true, true))));
  std::ranges::replace(out, ' ', '_');
  std::ranges::replace(out, '-', '_');
  return out;
}

// The fields of a file, found by their plain names.
class Fields {
 public:
  explicit Fields(const Row& row) : row_(&row) {
    for (const auto& [name, value] : row.fields.items()) names_.emplace(plain_name(name), name);
  }

  Status rename(const ColumnNames& columns) {
    for (const auto& [key, name] : columns) {
      const auto use = std::ranges::find(use_names(), key, &UseNames::key);
      if (key.empty() || use == use_names().end()) {
        std::vector<std::string> keys;
        for (const UseNames& one : use_names()) {
          if (!one.key.empty()) keys.emplace_back(one.key);
        }
        return usage_error(fmt::format("\"{}\" is no use of a column", key),
                           fmt::format("one of: {}", fmt::join(keys, ", ")));
      }
      if (!row_->fields.contains(name)) {
        std::vector<std::string> have;
        for (const auto& [field, value] : row_->fields.items()) have.push_back(field);
        return usage_error(fmt::format("there is no column \"{}\" for the {}", name, key),
                           fmt::format("the columns are: {}", fmt::join(have, ", ")));
      }
      chosen_[use->use] = name;
    }
    return ok_status();
  }

  // The file's field for a use; nullopt where it has none.
  std::optional<std::string> of(FieldUse use) const {
    if (const auto at = chosen_.find(use); at != chosen_.end()) return at->second;
    const std::vector<std::string> all = all_of(use);
    return all.empty() ? std::nullopt : std::optional(all.front());
  }
  std::vector<std::string> all_of(FieldUse use) const {
    std::vector<std::string> found;
    for (const std::string_view name : std::ranges::find(use_names(), use, &UseNames::use)->names) {
      if (const auto at = names_.find(std::string(name)); at != names_.end()) found.push_back(at->second);
    }
    return found;
  }
  bool chosen(FieldUse use) const { return chosen_.contains(use); }
  // Whether a form with these uses has a place for every column that a person named.
  bool all_chosen_in(std::span<const FieldUse> required, std::span<const FieldUse> optional) const {
    return std::ranges::all_of(chosen_, [&](const auto& one) {
      return std::ranges::count(required, one.first) + std::ranges::count(optional, one.first) > 0;
    });
  }
  const Json* value(FieldUse use) const {
    const auto name = of(use);
    return name ? &row_->fields.at(*name) : nullptr;
  }

 private:
  const Row* row_;
  std::map<std::string, std::string> names_;  // plain name -> the file's
  std::map<FieldUse, std::string> chosen_;
};

struct FormSpec {
  DataForm form;
  std::string_view name;
  std::vector<FieldUse> required;
  std::vector<FieldUse> optional;
  std::string_view example;  // for the list of forms
  bool unanswered = false;   // a form only where replies may lack
};

// The first that fits is taken: the more telling ones come first.
const std::vector<FormSpec>& specs() {
  using enum FieldUse;
  static const std::vector<FormSpec> table = {
      {DataForm::kPreference, "preference pairs", {kChosen, kRejected}, {kPrompt, kSystem}, "prompt, chosen, rejected"},
      {DataForm::kMessages, "conversations", {kMessages}, {kTools, kSystem}, "messages (role, content), tools"},
      {DataForm::kShareGpt, "ShareGPT conversations", {kMessages}, {kTools, kSystem}, "conversations (from, value)"},
      {DataForm::kTree, "conversation trees", {kPrompt}, {}, "prompt with replies, as Open Assistant has them"},
      {DataForm::kUnpairedPreference,
       "rated completions",
       {kPrompt, kCompletion, kLabel},
       {kSystem},
       "prompt, completion, label (true or false, good or bad)"},
      {DataForm::kTestList, "a test list", {kQuestion, kAnswer, kFacts}, {}, "question, answer, facts"},
      {DataForm::kQuestionAnswer, "questions and answers", {kQuestion, kAnswer}, {kSystem}, "question, answer"},
      {DataForm::kAlpaca, "instructions", {kInstruction, kInstances}, {}, "instruction, instances (input, output)"},
      {DataForm::kAlpaca, "instructions", {kInstruction, kOutput}, {kInput, kSystem}, "instruction, input, output"},
      {DataForm::kPromptCompletion, "prompts and completions", {kPrompt, kCompletion}, {kSystem}, "prompt, completion"},
      {DataForm::kSummary, "texts with summaries", {kDocument, kSummary}, {}, "document, summary"},
      {DataForm::kLabels, "labelled texts", {kText, kLabel}, {}, "text, label"},
      {DataForm::kText, "plain text", {kText}, {}, "text"},
      {DataForm::kPromptCompletion, "prompts", {kPrompt}, {kSystem}, "prompt, where --distil text answers it", true},
  };
  return table;
}

bool is_list_of(const Json* value, std::initializer_list<const char*> keys) {
  if (value == nullptr || !value->is_array() || value->empty() || !value->front().is_object()) return false;
  return std::ranges::any_of(keys, [&](const char* key) { return value->front().contains(key); });
}

// Whether the values in the first row are what the form says of them, where the names do not tell.
bool values_fit(DataForm form, const Fields& fields) {
  const auto is_text = [&](FieldUse use) {
    const Json* value = fields.value(use);
    return value == nullptr || value->is_string() || value->is_null();
  };
  switch (form) {
    case DataForm::kMessages:
      return is_list_of(fields.value(FieldUse::kMessages), {"role"});
    case DataForm::kShareGpt:
      return is_list_of(fields.value(FieldUse::kMessages), {"from"});
    case DataForm::kTree: {
      const Json* prompt = fields.value(FieldUse::kPrompt);
      return prompt->is_object() && prompt->contains("text") && prompt->contains("replies");
    }
    case DataForm::kUnpairedPreference: {
      const std::optional<std::string> name = fields.of(FieldUse::kLabel);
      // What is called a label beside a reply can only rate it: read as a plain pair, bad replies would be learned.
      if (!fields.chosen(FieldUse::kPrompt) && name && plain_name(*name) == "label") return true;
      return read_rating(*fields.value(FieldUse::kLabel)).has_value();
    }
    case DataForm::kQuestionAnswer:
      return is_text(FieldUse::kQuestion) && is_text(FieldUse::kAnswer);
    default:
      return true;
  }
}

size_t count_different(const Rows& rows, const std::string& field) {
  std::set<std::string> different;
  for (const Row& row : rows.rows) {
    const auto value = row.fields.find(field);
    if (value != row.fields.end()) {
      different.insert(value->is_string() ? value->get_ref<const std::string&>() : dump_json(*value));
    }
  }
  return different.size();
}

void say(const Rows& rows, const FormSpec& spec, FormMatch& match) {
  std::vector<std::string> columns;
  columns.reserve(match.fields.size());
  for (const auto& [use, name] : match.fields) columns.push_back(fmt::format("\"{}\"", name));
  match.said = fmt::format("{}: {} of {}", rows.place, counted(rows.rows.size(), "row"), spec.name);
  if (match.form == DataForm::kLabels) {
    const std::string label(match.name_of(FieldUse::kLabel));
    match.said += fmt::format(", text in \"{}\", label in \"{}\" ({} different)", match.name_of(FieldUse::kText), label,
                              count_different(rows, label));
    if (!match.other_labels.empty()) {
      match.said += fmt::format("; \"{}\" could be the label, too", fmt::join(match.other_labels, "\", \""));
    }
  } else {
    match.said += fmt::format(" ({})", fmt::join(columns, ", "));
  }
}

// Of the two columns of a table without a header: the one with few different, short values, if there is one.
std::optional<std::string> label_column(const Rows& rows) {
  constexpr size_t kLongestLabel = 60;
  constexpr size_t kMostLabels = 1000;
  std::optional<std::string> found;
  size_t fewest = std::min(kMostLabels, rows.rows.size() / 5) + 1;
  for (const std::string column : {"1", "2"}) {
    const auto is_short = [&](const Row& row) {
      return row.fields.at(column).get_ref<const std::string&>().size() <= kLongestLabel;
    };
    const size_t different = count_different(rows, column);
    if (different >= 2 && different < fewest && std::ranges::all_of(rows.rows, is_short)) {
      found = column;
      fewest = different;
    }
  }
  return found;
}

FormMatch match_unnamed(const Rows& rows) {
  FormMatch match;
  if (const auto label = label_column(rows)) {
    const std::string text = *label == "1" ? "2" : "1";
    match = {.form = DataForm::kLabels, .fields = {{FieldUse::kText, text}, {FieldUse::kLabel, *label}}, .said = {}};
    match.said = fmt::format(
        "{}: {} rows without a header, labelled texts: text in column {}, label in column {} ({} different)",
        rows.place, rows.rows.size(), text, *label, count_different(rows, *label));
    return match;
  }
  match = {.form = DataForm::kPromptCompletion,
           .fields = {{FieldUse::kPrompt, "1"}, {FieldUse::kCompletion, "2"}},
           .pairs = true,
           .said = {}};
  match.said = fmt::format("{}: {} rows without a header, pairs: column 1 is said, column 2 is the reply", rows.place,
                           rows.rows.size());
  return match;
}

Error no_form(const Rows& rows) {
  std::vector<std::string> have;
  for (const auto& [name, value] : rows.rows.front().fields.items()) {
    if (have.size() < 20) have.push_back(name.size() > 40 ? name.substr(0, 37) + "..." : name);
  }
  std::string fields = have.empty() ? "no fields" : fmt::format("the fields {}", fmt::join(have, ", "));
  return invalid(
      fmt::format("a row of {} is no kind of data that is understood", fields), rows.place_of(rows.rows.front()),
      fmt::format("name the fields as one of these does, or say which are which by --input and --output:\n{}",
                  list_of_forms()));
}

}  // namespace

const Json* FormMatch::find(const Row& row, FieldUse use) const {
  const auto name = fields.find(use);
  if (name == fields.end()) return nullptr;
  const auto value = row.fields.find(name->second);
  return value == row.fields.end() || value->is_null() ? nullptr : &*value;
}

std::string_view FormMatch::name_of(FieldUse use) const {
  const auto name = fields.find(use);
  return name == fields.end() ? std::string_view() : std::string_view(name->second);
}

Result<FormMatch> recognise_form(const Rows& rows, const ColumnNames& columns, bool unanswered) {
  CHECK(!rows.rows.empty());
  Fields fields(rows.rows.front());
  if (Status renamed = fields.rename(columns); !renamed.ok()) return std::move(renamed).error().at(rows.place);
  if (!rows.named && columns.empty() && rows.rows.front().fields.size() == 2) return match_unnamed(rows);
  for (const FormSpec& spec : specs()) {
    const auto present = [&](FieldUse use) { return fields.of(use).has_value(); };
    if (!std::ranges::all_of(spec.required, present) || !values_fit(spec.form, fields)) continue;
    if (!fields.all_chosen_in(spec.required, spec.optional) || (spec.unanswered && !unanswered)) continue;
    FormMatch match{.form = spec.form, .fields = {}, .unanswered = unanswered, .said = {}};
    std::set<std::string> taken;
    bool apart = true;  // one field cannot have two uses
    for (const FieldUse use : spec.required) {
      const auto name = fields.of(use);
      if (name) apart &= taken.insert(match.fields[use] = *name).second;
    }
    if (!apart) continue;
    for (const FieldUse use : spec.optional) {
      const auto name = fields.of(use);
      if (name && taken.insert(*name).second) match.fields[use] = *name;
    }
    if (spec.form == DataForm::kLabels && !fields.chosen(FieldUse::kLabel)) {
      for (const std::string& name : fields.all_of(FieldUse::kLabel)) {
        if (!taken.contains(name)) match.other_labels.push_back(name);
      }
    }
    match.pairs = spec.form == DataForm::kPromptCompletion &&
                  (match.name_of(FieldUse::kPrompt) == "source" ||
                   (fields.chosen(FieldUse::kPrompt) && fields.chosen(FieldUse::kCompletion)));
    say(rows, spec, match);
    return match;
  }
  return no_form(rows);
}

std::optional<bool> read_rating(const Json& label) {
  const std::string word = plain_name(label.is_string() ? label.get_ref<const std::string&>() : dump_json(label));
  if (word == "true" || word == "1" || word == "good" || word == "desirable") return true;
  if (word == "false" || word == "0" || word == "bad" || word == "undesirable") return false;
  return std::nullopt;
}

bool is_field_name(std::string_view cell) {
  const std::string plain = plain_name(cell);
  return std::ranges::any_of(use_names(),
                             [&](const UseNames& one) { return std::ranges::count(one.names, plain) > 0; });
}

std::string list_of_forms() {
  std::string out;
  for (const FormSpec& spec : specs()) out += fmt::format("    {:<24} {}\n", spec.name, spec.example);
  out.pop_back();
  return out;
}

std::string_view form_name(DataForm form) {
  return std::ranges::find(specs(), form, &FormSpec::form)->name;
}

}  // namespace linnet
