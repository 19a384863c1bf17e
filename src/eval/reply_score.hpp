// Whether the replies to a test list's questions are right (docs/data.md: question, answer, facts; an empty answer
// means that there is none).
//
// Right is a reply that holds every key fact, does not decline, and is not another question's answer instead. The
// answer itself, word for word, holds its facts whatever they are, and where there are none, nothing else does. Where
// the list has no answer, right is to decline. Thread safety: const methods, pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/sample.hpp"
#include "eval/statistics.hpp"

namespace linnet {

// What a list says to one of its questions.
struct ListedAnswer {
  std::string answer = {};  // empty: there is none
  std::vector<Fact> facts = {};
};
// Of a test list's sample.
ListedAnswer listed_answer(const Sample& sample);

struct ReplyScore {
  bool answerable = true;       // the list has an answer
  bool declined = false;        // the reply says that it has none
  bool another_answer = false;  // it is another question's answer instead
  double facts = 1;             // the share of the key facts that it holds; without any, whether it is the answer
  std::string missing = {};     // the first fact that it does not hold: "nine / 9:00"; the answer where it has none

  bool right() const { return answerable ? !declined && !another_answer && facts == 1 : declined; }
  // Why it is not right, for people: "lacks \"nine / 9:00\""; empty where it is.
  std::string reason() const;
};

class ReplyScorer {
 public:
  // all: the answers of the list, which are what else a reply may be. Those that are asked about may be among them, and
  // the same answer several times. Of more than kMostAnswers different ones the rest is not looked at: each reply is
  // compared with each.
  explicit ReplyScorer(std::span<const ListedAnswer> all);

  // It is another's answer that a reply gives when it holds that one's key facts and 80% of its words, and shares more
  // of its words with it (F1, as SQuAD counts it) than with the answer that was asked for.
  ReplyScore score(std::string_view reply, const ListedAnswer& asked) const;

  static constexpr size_t kMostAnswers = 10'000;

 private:
  struct Other {
    std::vector<std::string> words;  // sorted
    std::vector<Fact> facts;
  };
  std::vector<Other> others_;
};

// Whether `reply` says that it has no answer: it has no words, or has one of the phrases in reply_score.cpp ("I don't
// know", "we cannot help with"). English. "Ask us" alone is none: it is often the answer.
bool declines(std::string_view reply);

// Means over the questions, each where there are such questions (estimate() gives the standard error):
//   correct                all questions
//   correct_answerable     those with an answer
//   declined_answerable    those with an answer, and it was declined
//   declined_unanswerable  those without
//   facts                  the share of the key facts that is held, of those with an answer
std::vector<Metric> reply_metrics(std::span<const ReplyScore> scores);

}  // namespace linnet
