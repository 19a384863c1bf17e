// Which kind of training data a file holds, by the names of its fields.
// Thread safety: pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows.hpp"

namespace linnet {

enum class DataForm {
  kText,                // text: every token is learned
  kQuestionAnswer,      // question, answer
  kTestList,            // question, answer, facts; an empty answer: there is none
  kPromptCompletion,    // prompt, completion
  kMessages,            // OpenAI: messages of role and content, tools, tool_calls
  kShareGpt,            // conversations of from and value
  kTree,                // Open Assistant: a prompt with replies, which have replies
  kAlpaca,              // instruction, input, output
  kPreference,          // prompt, chosen, rejected
  kUnpairedPreference,  // prompt, completion, label true or false (KTO)
  kLabels,              // text, label
  kSummary,             // document, summary
};

// Whether replies are good or bad, alone or beside each other.
inline bool holds_preferences(DataForm form) {
  return form == DataForm::kPreference || form == DataForm::kUnpairedPreference;
}

// What a field is for.
enum class FieldUse {
  kText,
  kQuestion,
  kAnswer,
  kFacts,
  kPrompt,
  kCompletion,
  kMessages,
  kTools,
  kSystem,
  kInstruction,
  kInput,
  kOutput,
  kInstances,
  kChosen,
  kRejected,
  kLabel,
  kDocument,
  kSummary,
};

// Which field of a file stands for which use, where a person says so: {"question": "Frage"}.
using ColumnNames = std::map<std::string, std::string>;

struct FormMatch {
  DataForm form = DataForm::kText;
  std::map<FieldUse, std::string> fields;      // use -> the field's name in the file
  std::vector<std::string> other_labels = {};  // kLabels: fields that could have been the label, too
  // kPromptCompletion: the second says the first anew, as translations do. Columns without names, called source and
  // target, or named by a person.
  bool pairs = false;
  bool unanswered = false;  // what is asked last may lack its reply: a teacher writes it
  std::string said;         // "labels: text in \"utterance\", label in \"intent\" (27 different)"

  // nullptr where the form does not use it, or where the row has none or null.
  const Json* find(const Row& row, FieldUse use) const;
  std::string_view name_of(FieldUse use) const;
};

// The form of `rows`, which are not empty, by the fields of the first; one that uses every column of `columns`.
// unanswered: as FormMatch::unanswered; prompts alone are a form, too. Errors: no form fits (with the list of forms), a
// column of `columns` that is not there.
Result<FormMatch> recognise_form(const Rows& rows, const ColumnNames& columns = {}, bool unanswered = false);

// Whether a reply is rated as a good one, by its label: true, 1, good, desirable, or false, 0, bad, undesirable, in any
// case, as JSON or as text; nullopt: anything else.
std::optional<bool> read_rating(const Json& label);
// Whether a table's cell is a field's name that some form knows, whatever its case.
bool is_field_name(std::string_view cell);
// "a CSV with …": one line for each form, for errors and for the documentation.
std::string list_of_forms();
std::string_view form_name(DataForm form);

}  // namespace linnet
