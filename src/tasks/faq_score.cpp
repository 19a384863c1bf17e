#include "tasks/faq_score.hpp"

#include "base/json.hpp"

namespace linnet {

namespace {

bool is_right(const FaqReply& reply, const Sample& sample) {
  if (reply.judgement.declined || !sample.has_answer) return reply.judgement.declined != sample.has_answer;
  return reply.text == answer_of(sample);
}

void count(const FaqTestItem& item, FaqTestResult& result) {
  const bool declined = item.reply.judgement.declined;
  if (item.sample->has_answer) {
    ++result.answerable;
    result.right += item.right ? 1 : 0;
    result.missed += declined ? 1 : 0;
  } else {
    ++result.unanswerable;
    result.declined += declined ? 1 : 0;
  }
}

}  // namespace

Result<FaqTestResult> test_faq(const FaqAssistant& assistant, const std::vector<Sample>& test,
                               const std::function<Status(const FaqTestItem&)>& on_item, const CancelToken& cancel) {
  FaqTestResult result;
  for (const Sample& sample : test) {
    TRY(cancel.check());
    FaqTestItem item{.sample = &sample, .reply = {}, .right = false};
    TRY_ASSIGN(item.reply, assistant.reply(phrasing_of(sample)));
    item.right = is_right(item.reply, sample);
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
                          {"score", candidate.score}});
  }
  return {{"question", phrasing_of(*item.sample)},
          {"expected", answer_of(*item.sample)},
          {"reply", item.reply.text},
          {"right", item.right},
          {"declined", judgement.declined},
          {"confidence", judgement.confidence},
          {"nearest_other", judgement.nearest_other},
          {"candidates", std::move(candidates)}};
}

}  // namespace linnet
