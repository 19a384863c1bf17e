// How well a taught list answers questions that it has not seen; what is right says eval/reply_score.hpp.
// Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <vector>

#include "base/cancel.hpp"
#include "data/sample.hpp"
#include "eval/reply_score.hpp"
#include "tasks/faq_assistant.hpp"

namespace linnet {

struct FaqTestItem {
  const Sample* sample = nullptr;
  FaqReply reply;
  ReplyScore score;
};

struct FaqTestResult {
  int64_t answerable = 0;  // questions that the list answers
  int64_t right = 0;       // of them, answered rightly
  int64_t missed = 0;      // of them, declined
  int64_t unanswerable = 0;
  int64_t declined = 0;  // of those without an answer
};

// Asks each of `test`, of the form kTestList or kQuestionAnswer. `on_item` hears of each. Errors: those of
// FaqAssistant::reply, cancelled.
Result<FaqTestResult> test_faq(const FaqAssistant& assistant, const std::vector<Sample>& test,
                               const std::function<Status(const FaqTestItem&)>& on_item, const CancelToken& cancel);

// A line for a log: question, reply, what was expected, why it is not right, what was thought.
Json to_json(const FaqTestItem& item);

}  // namespace linnet
