// Questions with the answers that they share: what a shop writes down of what it is asked.
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/sample.hpp"

namespace linnet {

struct FaqList {
  struct Question {
    std::string text;
    uint32_t answer = 0;  // its number in `answers`
  };
  std::vector<std::string> answers;  // each once, in the order of the file
  std::vector<Question> questions;

  // How many ways of asking an answer has, on average.
  double phrasings() const { return static_cast<double>(questions.size()) / static_cast<double>(answers.size()); }
  // For each answer the numbers of its questions, in the order of the file; one at least.
  std::vector<std::vector<uint32_t>> by_answer() const;
};

// The list that `samples` of the form kQuestionAnswer or kTestList make; those without an answer are left out.
FaqList faq_of(const std::vector<Sample>& samples);

// {"answers": [...], "questions": [{"text", "answer"}, ...]}
Json to_json(const FaqList& list);
// Errors: not such a document; a question whose answer is not there; an answer to no question; an empty list.
Result<FaqList> faq_from_json(const Json& json, const std::string& place);

// Questions that people put to any place (data/common_questions.txt), a line each.
std::vector<std::string> common_questions();

}  // namespace linnet
