#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/strings.hpp"
#include "data/sample.hpp"
#include "text/jinja/pystr.hpp"

namespace linnet {

namespace {

Json said_by(std::string_view role, std::string text) {
  return {{"role", role}, {"content", std::move(text)}};
}

class SampleMaker {
 public:
  SampleMaker(const Rows& rows, const FormMatch& match, Samples& out) : rows_(rows), match_(match), out_(out) {}

  Status add(const Row& row) {
    row_ = &row;
    place_ = rows_.place_of(row);
    switch (match_.form) {
      case DataForm::kText:
        return add_text();
      case DataForm::kQuestionAnswer:
      case DataForm::kTestList:
        return add_answer();
      case DataForm::kPromptCompletion:
      case DataForm::kUnpairedPreference:
        return add_completion();
      case DataForm::kMessages:
      case DataForm::kShareGpt:
        return add_conversation();
      case DataForm::kTree:
        return add_tree();
      case DataForm::kAlpaca:
        return add_instruction();
      case DataForm::kPreference:
        return add_preference();
      case DataForm::kLabels:
        return add_label();
      case DataForm::kSummary:
        return add_summary();
    }
    return ok_status();
  }

 private:
  Error wrong(FieldUse use, std::string_view what) const {
    const bool there = match_.find(*row_, use) != nullptr;
    const std::string hint = fmt::format("the first row of the file makes it {}", form_name(match_.form));
    if (there) return invalid(fmt::format("field \"{}\" must be {}", match_.name_of(use), what), place_, hint);
    return invalid(fmt::format("field \"{}\" is missing", match_.name_of(use)), place_, hint);
  }

  // Text; also numbers and truth values, as JSON writes them, where `scalar`.
  Result<std::string> text(FieldUse use, bool scalar = false) const {
    const Json* value = match_.find(*row_, use);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    if (value != nullptr && scalar && value->is_primitive()) return dump_json(*value);
    return wrong(use, scalar ? "text or a number" : "text");
  }
  Result<std::string> text_or_empty(FieldUse use) const {
    return match_.find(*row_, use) == nullptr ? Result<std::string>(std::string()) : text(use);
  }

  Result<Sample> begin() const {
    Sample sample{.place = place_};
    TRY_ASSIGN(std::string system, text_or_empty(FieldUse::kSystem));
    if (!system.empty()) sample.messages.push_back(said_by("system", std::move(system)));
    return sample;
  }

  Status finish(Sample sample) {
    out_.samples.push_back(std::move(sample));
    return ok_status();
  }

  Status add_text() {
    Sample sample{.place = place_, .group = place_};
    TRY_ASSIGN(sample.text, text(FieldUse::kText));
    return finish(std::move(sample));
  }

  Status add_answer() {
    TRY_ASSIGN(Sample sample, begin());
    TRY_ASSIGN(std::string question, text(FieldUse::kQuestion));
    TRY_ASSIGN(std::string answer, text_or_empty(FieldUse::kAnswer));
    sample.has_answer = !jinja::strip_space(answer, true, true).empty();
    if (match_.form == DataForm::kTestList) {
      TRY_ASSIGN(const std::string facts, text_or_empty(FieldUse::kFacts));
      sample.facts = read_facts(facts);
      if (!sample.facts.empty() && !sample.has_answer) {
        return invalid("facts without an answer", place_,
                       "an empty answer means that there is none, so it has no facts");
      }
    }
    sample.group = answer;
    sample.messages.push_back(said_by("user", std::move(question)));
    if (sample.has_answer) sample.messages.push_back(said_by("assistant", std::move(answer)));
    return finish(std::move(sample));
  }

  // "noon / 12 | Sunday": `|` between facts, `/` between the spellings of one; `\|` and `\/` are meant as they stand.
  static std::vector<Fact> read_facts(std::string_view written) {
    std::vector<Fact> facts;
    Fact fact;
    std::string spelling;
    const auto end_spelling = [&] {
      const std::string_view bare = jinja::strip_space(spelling, true, true);
      if (!bare.empty()) fact.emplace_back(bare);
      spelling.clear();
    };
    const auto end_fact = [&] {
      end_spelling();
      if (!fact.empty()) facts.push_back(std::exchange(fact, {}));
    };
    for (size_t i = 0; i < written.size(); ++i) {
      const bool escaped =
          written[i] == '\\' && i + 1 < written.size() && (written[i + 1] == '/' || written[i + 1] == '|');
      if (escaped) {
        spelling += written[++i];
      } else if (written[i] == '|') {
        end_fact();
      } else if (written[i] == '/') {
        end_spelling();
      } else {
        spelling += written[i];
      }
    }
    end_fact();
    return facts;
  }

  Status add_completion() {
    TRY_ASSIGN(Sample sample, begin());
    TRY_ASSIGN(std::string prompt, text(FieldUse::kPrompt));
    const bool answered = !match_.unanswered || match_.find(*row_, FieldUse::kCompletion) != nullptr;
    std::string completion;
    if (answered) {
      TRY_ASSIGN(completion, match_.pairs ? text_or_points(FieldUse::kCompletion) : text(FieldUse::kCompletion));
    }
    if (match_.form == DataForm::kUnpairedPreference) {
      TRY_ASSIGN(sample.desired, rating());
    }
    sample.group = prompt;
    sample.messages.push_back(said_by("user", std::move(prompt)));
    if (answered) sample.messages.push_back(said_by("assistant", std::move(completion)));
    return finish(std::move(sample));
  }

  Result<bool> rating() const {
    TRY_ASSIGN(const std::string label, text(FieldUse::kLabel, true));
    if (const std::optional<bool> good = read_rating(label)) return *good;
    return invalid(
        fmt::format("field \"{}\" is \"{}\", which does not rate the reply", match_.name_of(FieldUse::kLabel),
                    label.size() > 40 ? label.substr(0, 37) + "..." : label),
        place_,
        "write true, 1, good or desirable for a good reply, false, 0, bad or undesirable for a bad one; "
        "rename the field where it means something else");
  }

  Status add_conversation() {
    TRY_ASSIGN(Sample sample, begin());
    const Json* list = match_.find(*row_, FieldUse::kMessages);
    if (list == nullptr || !list->is_array()) return wrong(FieldUse::kMessages, "a list of messages");
    TRY_ASSIGN(Json messages,
               match_.form == DataForm::kMessages ? read_messages(*list, place_) : read_share_gpt(*list, place_));
    for (Json& message : messages) sample.messages.push_back(std::move(message));
    TRY(read_tools(sample));
    // A last question that nobody answers teaches nothing and would only be read.
    while (!match_.unanswered && !sample.messages.empty() && sample.messages.back()["role"] != "assistant") {
      sample.messages.erase(sample.messages.size() - 1);
    }
    sample.group = phrasing_of(sample);
    return finish(std::move(sample));
  }

  // A list, or one as JSON in a text.
  Status read_tools(Sample& sample) const {
    const Json* tools = match_.find(*row_, FieldUse::kTools);
    if (tools == nullptr) return ok_status();
    sample.tools = *tools;
    if (tools->is_string()) {
      if (tools->get_ref<const std::string&>().empty()) return sample.tools = nullptr, ok_status();
      TRY_ASSIGN(sample.tools, parse_json(tools->get_ref<const std::string&>(), place_ + ": tools"));
    }
    const auto is_object = [](const Json& tool) { return tool.is_object(); };
    if (!sample.tools.is_array() || !std::ranges::all_of(sample.tools, is_object)) {
      return wrong(FieldUse::kTools, "a list of objects");
    }
    if (sample.tools.empty()) sample.tools = nullptr;
    return ok_status();
  }

  Status add_tree() {
    const Json* prompt = match_.find(*row_, FieldUse::kPrompt);
    if (prompt == nullptr) return wrong(FieldUse::kPrompt, "an object with text and replies");
    TRY_ASSIGN(std::vector<Json> paths, read_tree(*prompt, place_));
    for (Json& messages : paths) {
      TRY(finish({.place = place_, .messages = std::move(messages), .group = place_}));
    }
    return ok_status();
  }

  Status add_instruction() {
    TRY_ASSIGN(const std::string instruction, text(FieldUse::kInstruction));
    const auto one = [&](const std::string& input, std::string output) -> Status {
      TRY_ASSIGN(Sample sample, begin());
      std::string request = instruction;
      if (!input.empty()) request += "\n\n" + input;
      sample.group = request;
      sample.messages.push_back(said_by("user", std::move(request)));
      sample.messages.push_back(said_by("assistant", std::move(output)));
      return finish(std::move(sample));
    };
    if (!match_.fields.contains(FieldUse::kInstances)) {
      TRY_ASSIGN(const std::string input, text_or_empty(FieldUse::kInput));
      TRY_ASSIGN(std::string output, text(FieldUse::kOutput));
      return one(input, std::move(output));
    }
    const Json* instances = match_.find(*row_, FieldUse::kInstances);
    if (instances == nullptr || !instances->is_array())
      return wrong(FieldUse::kInstances, "a list of input and output");
    for (const Json& instance : *instances) {
      TRY_ASSIGN(const JsonObject object, JsonObject::of(instance, place_ + ": instances"));
      TRY_ASSIGN(const std::string input, object.string_or("input", ""));
      TRY_ASSIGN(std::string output, object.string("output"));
      TRY(one(input, std::move(output)));
    }
    return ok_status();
  }

  // A reply as text, or as messages; as messages it may bring the prompt with it.
  Result<Json> replies(FieldUse use, Json messages) const {
    const Json* value = match_.find(*row_, use);
    if (value != nullptr && value->is_array()) {
      TRY_ASSIGN(Json list, read_messages(*value, place_ + ": " + std::string(match_.name_of(use))));
      for (Json& message : list) messages.push_back(std::move(message));
    } else {
      TRY_ASSIGN(std::string reply, text(use));
      messages.push_back(said_by("assistant", std::move(reply)));
    }
    if (messages.back()["role"] != "assistant") return wrong(use, "text, or messages that end with the assistant's");
    if (messages.size() < 2) return invalid("a preference needs the prompt that was answered", place_);
    return messages;
  }

  Status add_preference() {
    TRY_ASSIGN(Sample sample, begin());
    Json prompt = std::move(sample.messages);
    if (const Json* value = match_.find(*row_, FieldUse::kPrompt)) {
      if (value->is_array()) {
        TRY_ASSIGN(Json list, read_messages(*value, place_ + ": prompt"));
        for (Json& message : list) prompt.push_back(std::move(message));
      } else {
        TRY_ASSIGN(std::string said, text(FieldUse::kPrompt));
        prompt.push_back(said_by("user", std::move(said)));
      }
    }
    TRY_ASSIGN(sample.messages, replies(FieldUse::kChosen, prompt));
    TRY_ASSIGN(sample.rejected, replies(FieldUse::kRejected, std::move(prompt)));
    weigh_only_what_differs(sample.messages, sample.rejected);
    sample.group = phrasing_of(sample);
    return finish(std::move(sample));
  }

  // What both conversations share is their prompt.
  static void weigh_only_what_differs(Json& a, Json& b) {
    for (size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i) {
      if (a[i]["role"] != "assistant") continue;
      a[i]["weight"] = 0;
      b[i]["weight"] = 0;
    }
  }

  Status add_label() {
    TRY_ASSIGN(Sample sample, begin());
    TRY_ASSIGN(sample.text, text(FieldUse::kText));
    TRY_ASSIGN(sample.label, text(FieldUse::kLabel, true));
    sample.group = sample.text;
    sample.messages.push_back(said_by("user", sample.text));
    sample.messages.push_back(said_by("assistant", sample.label));
    return finish(std::move(sample));
  }

  // A text, or a list of points.
  Result<std::string> text_or_points(FieldUse use) const {
    const Json* value = match_.find(*row_, use);
    if (value == nullptr || !value->is_array()) return text(use);
    std::string points;
    for (const Json& point : *value) {
      if (!point.is_string()) return wrong(use, "text or a list of texts");
      points += fmt::format("{}- {}", points.empty() ? "" : "\n", point.get_ref<const std::string&>());
    }
    return points;
  }

  Status add_summary() {
    TRY_ASSIGN(Sample sample, begin());
    TRY_ASSIGN(std::string document, text(FieldUse::kDocument));
    TRY_ASSIGN(std::string summary, text_or_points(FieldUse::kSummary));
    sample.group = document;
    sample.messages.push_back(said_by("user", std::move(document)));
    sample.messages.push_back(said_by("assistant", std::move(summary)));
    return finish(std::move(sample));
  }

  const Rows& rows_;
  const FormMatch& match_;
  Samples& out_;
  const Row* row_ = nullptr;
  std::string place_;
};

}  // namespace

std::string phrasing_of(const Sample& sample) {
  for (const Json& message : sample.messages) {
    if (message.value("role", "") == "user" && message.contains("content") && message["content"].is_string()) {
      return message["content"].get<std::string>();
    }
  }
  return sample.text;
}

std::string answer_of(const Sample& sample) {
  if (sample.messages.empty()) return {};
  const Json& last = sample.messages.back();
  const bool says = last.value("role", "") == "assistant" && last.contains("content") && last["content"].is_string();
  return says ? last["content"].get<std::string>() : std::string();
}

Result<Samples> make_samples(const Rows& rows, const FormMatch& match, bool skip_bad) {
  Samples out{.form = match.form, .pairs = match.pairs, .samples = {}, .said = {match.said}};
  out.samples.reserve(rows.rows.size());
  SampleMaker maker(rows, match, out);
  std::vector<Flaw> flaws = rows.left_out;
  for (const Row& row : rows.rows) {
    const size_t before = out.samples.size();
    Status added = maker.add(row);
    if (added.ok()) continue;
    if (!skip_bad) return std::move(added).error();
    out.samples.resize(before);
    flaws.push_back({rows.place_of(row), added.error().message});
  }
  if (!flaws.empty()) {
    out.said.push_back(fmt::format("{} left out: {}", counted(flaws.size(), "row"), list_flaws(flaws)));
  }
  return out;
}

}  // namespace linnet
