#include "eval/reply_score.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "eval/key_facts.hpp"
#include "eval/squad_score.hpp"

namespace linnet {

namespace {

// So much of another answer must be in a reply before it can be that answer.
constexpr double kMostOfAnAnswer = 0.8;

// What people and models say when they have no answer. Each says who does not know: "if you cannot find it" is an
// answer.
constexpr std::array kDeclining{
    "i don't know",
    "i do not know",
    "we don't know",
    "we do not know",
    "i'm not sure",
    "i am not sure",
    "we are not sure",
    "we're not sure",
    "i have no idea",
    "i don't have an answer",
    "i do not have an answer",
    "i don't have the answer",
    "i do not have the answer",
    "we don't have an answer",
    "we do not have an answer",
    "i have no answer",
    "we have no answer",
    "i can't answer",
    "i cannot answer",
    "we can't answer",
    "we cannot answer",
    "i'm unable to answer",
    "i am unable to answer",
    "i'm not able to answer",
    "i am not able to answer",
    "i couldn't find",
    "i could not find",
    "i can't find",
    "i cannot find",
    "i can't help",
    "i cannot help",
    "we can't help",
    "we cannot help",
    "i'm unable to help",
    "i am unable to help",
    "i'm not able to help",
    "i am not able to help",
    "i don't have that information",
    "i do not have that information",
    "i don't have this information",
    "i do not have this information",
    "i don't have any information",
    "i do not have any information",
    "i don't have information",
    "i do not have information",
    "i have no information",
    "we have no information",
    "not something i know",
    "unanswerable",
};

const std::vector<std::vector<std::string>>& declining_phrases() {
  static const std::vector<std::vector<std::string>> phrases = [] {
    std::vector<std::vector<std::string>> out;
    for (const char* phrase : kDeclining) out.push_back(FactText(phrase).literal());
    return out;
  }();
  return phrases;
}

bool declines(const FactText& reply) {
  const auto& phrases = declining_phrases();
  return reply.literal().empty() ||
         std::any_of(phrases.begin(), phrases.end(), [&](const auto& phrase) { return reply.has_run(phrase); });
}

}  // namespace

ListedAnswer listed_answer(const Sample& sample) {
  return {answer_of(sample), sample.facts};
}

ReplyScorer::ReplyScorer(std::span<const ListedAnswer> all) {
  for (const ListedAnswer& one : all) {
    Other other{sorted_answer_words(one.answer), one.facts};
    if (!other.words.empty()) others_.push_back(std::move(other));
  }
  const auto order = [](const Other& a, const Other& b) {
    return std::tie(a.words, a.facts) < std::tie(b.words, b.facts);
  };
  const auto same = [](const Other& a, const Other& b) { return a.words == b.words && a.facts == b.facts; };
  std::sort(others_.begin(), others_.end(), order);
  others_.erase(std::unique(others_.begin(), others_.end(), same), others_.end());
  others_.resize(std::min(others_.size(), kMostAnswers));
}

ReplyScore ReplyScorer::score(std::string_view reply, const ListedAnswer& asked) const {
  const FactText text(reply);
  const std::vector<std::string> own = sorted_answer_words(asked.answer);
  ReplyScore score{.answerable = !own.empty(), .declined = declines(text)};
  if (!score.answerable) return score;
  // An answer may itself say that something is not known.
  score.declined = score.declined && !declines(FactText(asked.answer));
  score.facts = text.share_of(asked.facts);
  const std::vector<std::string> words = sorted_answer_words(reply);
  const double own_f1 = words_f1(words, own);
  score.another_answer = std::any_of(others_.begin(), others_.end(), [&](const Other& other) {
    const auto most = kMostOfAnAnswer * static_cast<double>(other.words.size());
    return static_cast<double>(common_words(words, other.words)) >= most && words_f1(words, other.words) > own_f1 &&
           text.share_of(other.facts) == 1;
  });
  return score;
}

bool declines(std::string_view reply) {
  return declines(FactText(reply));
}

ReplySummary summarise(std::span<const ReplyScore> scores) {
  ReplySummary summary;
  for (const ReplyScore& score : scores) {
    ReplyCounts& counts = score.answerable ? summary.answerable : summary.unanswerable;
    counts.right += score.right() ? 1 : 0;
    counts.wrong += !score.right() && !score.declined ? 1 : 0;
    counts.declined += score.declined ? 1 : 0;
  }
  return summary;
}

std::vector<Metric> reply_metrics(std::span<const ReplyScore> scores) {
  std::vector<double> correct, correct_answerable, declined_answerable, declined_unanswerable, facts;
  for (const ReplyScore& score : scores) {
    correct.push_back(score.right() ? 1 : 0);
    if (!score.answerable) {
      declined_unanswerable.push_back(correct.back());
      continue;
    }
    correct_answerable.push_back(correct.back());
    declined_answerable.push_back(score.declined ? 1 : 0);
    facts.push_back(score.facts);
  }
  std::vector<Metric> out;
  const auto add = [&](const char* name, std::vector<double>& values) {
    if (!values.empty()) out.push_back(mean_metric(name, std::move(values)));
  };
  add("correct", correct);
  add("correct_answerable", correct_answerable);
  add("declined_answerable", declined_answerable);
  add("declined_unanswerable", declined_unanswerable);
  add("facts", facts);
  return out;
}

}  // namespace linnet
