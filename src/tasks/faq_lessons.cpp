#include "tasks/faq_lessons.hpp"

#include <algorithm>
#include <numeric>

#include "data/rephrase.hpp"
#include "ops/elementwise.hpp"
#include "ops/select.hpp"
#include "train/contrastive.hpp"

namespace linnet {

namespace {

constexpr int64_t kAnswers = 30;  // of a step: each is the wrong answer to the others' questions
constexpr int64_t kOthers = 16;   // of a step
constexpr int64_t kTimes = 10;    // that each answer is shown
constexpr int64_t kLeastSteps = 20;
constexpr int64_t kMostSteps = 200;
constexpr float kTemperature = 0.05f;
constexpr float kBackwardShare = 0.5f;  // of finding the question by the answer

enum Stream : uint64_t { kOrder = 1, kTexts = 2 };

// The texts of a step.
struct Texts {
  std::vector<std::string> typed, written, answers, others;
};

Tensor rows(Context& ctx, const Tensor& x, int64_t begin, int64_t end) {
  std::vector<int32_t> ids(static_cast<size_t>(end - begin));
  std::iota(ids.begin(), ids.end(), static_cast<int32_t>(begin));
  return ops::gather_rows(ctx, x, ids);
}

}  // namespace

FaqLessons::FaqLessons(const FaqList& list, std::vector<std::string> others, uint64_t seed)
    : list_(list), questions_of_(list.by_answer()), others_(std::move(others)), seed_(seed) {
  const auto count = static_cast<int64_t>(list.answers.size());
  answers_of_a_step_ = std::min(count, kAnswers);
  steps_ = std::clamp(count * kTimes / answers_of_a_step_, kLeastSteps, kMostSteps);
}

// All answers once in an epoch, in another order each time; what does not fill a step is left out of that epoch.
std::vector<uint32_t> FaqLessons::answers_of_step(int64_t step) const {
  const auto count = static_cast<int64_t>(list_.answers.size());
  const int64_t steps_of_an_epoch = count / answers_of_a_step_;
  std::vector<uint32_t> order(list_.answers.size());
  std::iota(order.begin(), order.end(), 0);
  Random random(seed_, kOrder + (static_cast<uint64_t>(step / steps_of_an_epoch) << 8));
  shuffle(order, random);
  const int64_t begin = step % steps_of_an_epoch * answers_of_a_step_;
  return {order.begin() + begin, order.begin() + begin + answers_of_a_step_};
}

Result<Tensor> FaqLessons::loss(Context& ctx, const Embedder& embedder, int64_t step) const {
  Random random(seed_, kTexts + (static_cast<uint64_t>(step) << 8));
  Texts texts;
  for (const uint32_t answer : answers_of_step(step)) {
    std::vector<uint32_t> questions = questions_of_[answer];
    shuffle(questions, random);
    const std::string& one = list_.questions[questions.front()].text;
    const bool alone = questions.size() == 1;
    texts.typed.push_back(alone || random.uniform() < 0.5 ? rephrase(one, random) : one);
    texts.written.push_back(list_.questions[questions.back()].text);
    const std::string& reply = list_.answers[answer];
    const std::string& first = list_.questions[questions_of_[answer].front()].text;
    texts.answers.push_back(random.uniform() < 0.5 ? reply : first + " " + reply);
  }
  for (int64_t i = 0; i < kOthers && !others_.empty(); ++i) {
    texts.others.push_back(others_[random.below(others_.size())]);
  }
  const int64_t n = answers_of_a_step_;
  std::vector<std::string> all = texts.typed;
  all.insert(all.end(), texts.written.begin(), texts.written.end());
  all.insert(all.end(), texts.others.begin(), texts.others.end());
  TRY_ASSIGN(const auto question_tokens, embedder.encode(all, TooLong::kCut));
  TRY_ASSIGN(const auto answer_tokens, embedder.encode(texts.answers, TooLong::kCut));
  TRY_ASSIGN(const Tensor questions, embedder.embed(question_tokens));
  TRY_ASSIGN(const Tensor answers, embedder.embed(answer_tokens));
  const Tensor typed = rows(ctx, questions, 0, n);
  const Tensor candidates = rows(ctx, questions, n, questions.dim(0));  // written, then others
  std::vector<int32_t> partners(static_cast<size_t>(n));
  std::iota(partners.begin(), partners.end(), 0);
  const Tensor to_question = contrastive_loss(ctx, typed, candidates, partners, kTemperature);
  const Tensor to_answer = contrastive_loss(ctx, typed, answers, partners, kTemperature);
  const Tensor back = contrastive_loss(ctx, answers, typed, partners, kTemperature);
  return ops::add(ctx, ops::add(ctx, to_question, to_answer), ops::scale(ctx, back, kBackwardShare));
}

}  // namespace linnet
