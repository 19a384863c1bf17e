#include "tasks/faq_score.hpp"

#include "base/json.hpp"

namespace linnet {

namespace {

void count(const FaqTestItem& item, FaqTestResult& result) {
  const bool declined = item.reply.judgement.declined;
  if (item.sample->has_answer) {
    ++result.answerable;
    result.right += item.score.right() ? 1 : 0;
    result.missed += declined ? 1 : 0;
  } else {
    ++result.unanswerable;
    result.declined += declined ? 1 : 0;
  }
}

}  // namespace

Result<FaqTestResult> test_faq(const FaqAssistant& assistant, const std::vector<Sample>& test,
                               const std::function<Status(const FaqTestItem&)>& on_item, const CancelToken& cancel) {
  std::vector<ListedAnswer> answers;
  answers.reserve(test.size());
  for (const Sample& sample : test) answers.push_back(listed_answer(sample));
  const ReplyScorer scorer(answers);
  FaqTestResult result;
  for (size_t i = 0; i < test.size(); ++i) {
    TRY(cancel.check());
    FaqTestItem item{.sample = &test[i], .reply = {}, .score = {}};
    TRY_ASSIGN(item.reply, assistant.reply(phrasing_of(test[i])));
    item.score = scorer.score(item.reply.text, answers[i]);
    // It knows whether it declined, in whatever words.
    item.score.declined = item.reply.judgement.declined;
    count(item, result);
    TRY(on_item(item));
  }
  return result;
}

Json to_json(const FaqTestItem& item) {
  const FaqJudgement& judgement = item.reply.judgement;
  Json candidates = Json::array();
  for (const FaqJudgement::Candidate& candidate : judgement.candidates) {
    candidates.push_back({{"answer", candidate.answer},
                          {"similarity", candidate.similarity},
                          {"gain", candidate.gain},
                          {"verdict", candidate.verdict},
                          {"score", candidate.score}});
  }
  return {{"question", phrasing_of(*item.sample)},
          {"expected", answer_of(*item.sample)},
          {"reply", item.reply.text},
          {"right", item.score.right()},
          {"reason", item.score.reason()},
          {"declined", judgement.declined},
          {"confidence", judgement.confidence},
          {"nearest_other", judgement.nearest_other},
          {"belonging", judgement.belonging},
          {"candidates", std::move(candidates)}};
}

}  // namespace linnet
