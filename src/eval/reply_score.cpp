#include "eval/reply_score.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <tuple>

#include "eval/key_facts.hpp"
#include "eval/squad_score.hpp"
#include "text/jinja/pystr.hpp"

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

const std::vector<FactText>& declining_phrases() {
  static const std::vector<FactText> phrases = [] {
    std::vector<FactText> out;
    for (const char* phrase : kDeclining) out.emplace_back(phrase);
    return out;
  }();
  return phrases;
}

bool declines(const FactText& reply) {
  const std::vector<FactText>& phrases = declining_phrases();
  return reply.empty() ||
         std::any_of(phrases.begin(), phrases.end(), [&](const FactText& one) { return reply.has_phrase(one); });
}

// Fills in facts and missing.
void count_facts(const FactText& reply, const ListedAnswer& asked, ReplyScore& score) {
  if (reply.same_words(FactText(asked.answer))) return;
  if (asked.facts.empty()) {
    score.facts = 0;
    score.missing = asked.answer;
    return;
  }
  score.facts = reply.share_of(asked.facts);
  const auto missing =
      std::find_if(asked.facts.begin(), asked.facts.end(), [&](const Fact& fact) { return !reply.holds(fact); });
  if (missing != asked.facts.end()) score.missing = fmt::format("{}", fmt::join(*missing, " / "));
}

}  // namespace

ListedAnswer listed_answer(const Sample& sample) {
  return {answer_of(sample), sample.facts};
}

std::string ReplyScore::reason() const {
  if (right()) return {};
  if (!answerable) return "there is no answer";
  if (declined) return "declined";
  if (another_answer) return "another question's answer";
  return "lacks \"" + missing + "\"";
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
  ReplyScore score{.answerable = !jinja::strip_space(asked.answer, true, true).empty(), .declined = declines(text)};
  if (!score.answerable) return score;
  // An answer may itself say that something is not known.
  score.declined = score.declined && !declines(FactText(asked.answer));
  count_facts(text, asked, score);
  const std::vector<std::string> own = sorted_answer_words(asked.answer);
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
  const auto add = [&](const char* name, const std::vector<double>& values) {
    if (!values.empty()) out.push_back(mean_metric(name, values));
  };
  add("correct", correct);
  add("correct_answerable", correct_answerable);
  add("declined_answerable", declined_answerable);
  add("declined_unanswerable", declined_unanswerable);
  add("facts", facts);
  return out;
}

}  // namespace linnet
