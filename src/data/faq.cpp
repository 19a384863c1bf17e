#include "data/faq.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/json.hpp"
#include "base/json_object.hpp"
#include "base/strings.hpp"

namespace linnet {

std::string_view common_questions_text();  // made by CMake

std::vector<std::vector<uint32_t>> FaqList::by_answer() const {
  std::vector<std::vector<uint32_t>> numbers(answers.size());
  for (size_t i = 0; i < questions.size(); ++i) numbers[questions[i].answer].push_back(static_cast<uint32_t>(i));
  return numbers;
}

FaqList faq_of(const std::vector<Sample>& samples) {
  FaqList list;
  std::unordered_map<std::string, uint32_t> numbers;
  for (const Sample& sample : samples) {
    if (!sample.has_answer) continue;
    const std::string answer = answer_of(sample);
    const auto [at, is_new] = numbers.try_emplace(answer, static_cast<uint32_t>(list.answers.size()));
    if (is_new) list.answers.push_back(answer);
    list.questions.push_back({phrasing_of(sample), at->second});
  }
  return list;
}

Json to_json(const FaqList& list) {
  Json questions = Json::array();
  for (const FaqList::Question& question : list.questions) {
    questions.push_back({{"text", question.text}, {"answer", question.answer}});
  }
  return {{"answers", list.answers}, {"questions", std::move(questions)}};
}

Result<FaqList> faq_from_json(const Json& json, const std::string& place) {
  TRY_ASSIGN(const JsonObject object, JsonObject::of(json, place));
  const Json* answers = object.find("answers");
  const Json* questions = object.find("questions");
  if (!answers || !questions || !answers->is_array() || !questions->is_array() || questions->empty()) {
    return invalid("holds no list of answers and questions", place);
  }
  FaqList list;
  for (const Json& answer : *answers) {
    if (!answer.is_string()) return invalid("an answer must be text", place);
    list.answers.push_back(answer.get<std::string>());
  }
  const auto last = static_cast<int64_t>(list.answers.size()) - 1;
  for (const Json& entry : *questions) {
    TRY_ASSIGN(const JsonObject question, JsonObject::of(entry, place + ": questions"));
    TRY_ASSIGN(std::string text, question.string("text"));
    TRY_ASSIGN(const int64_t answer, question.integer("answer", 0, last));
    list.questions.push_back({std::move(text), static_cast<uint32_t>(answer)});
  }
  if (std::ranges::any_of(list.by_answer(), &std::vector<uint32_t>::empty)) {
    return invalid("holds an answer to no question", place);
  }
  return list;
}

std::vector<std::string> common_questions() {
  std::vector<std::string> questions;
  for (const std::string_view line : lines_of(common_questions_text())) {
    if (!line.empty() && line.front() != '#') questions.emplace_back(line);
  }
  return questions;
}

}  // namespace linnet
