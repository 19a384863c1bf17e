#include "tasks/faq_chooser.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "base/strings.hpp"
#include "engine/sampler.hpp"

namespace linnet {

namespace {

constexpr size_t kPhrasings = 6;        // shown of an answer
constexpr size_t kMostTokens = 256;     // of what stands before the question, and of the question
constexpr size_t kMostLogitRows = 128;  // together: each is as long as the vocabulary

// As the phrasings before it are written: in lower case, without a question mark, which people forget.
std::string plain(const std::string& question) {
  std::string text = ascii_lower(question);
  while (text.ends_with('?') || text.ends_with(' ')) text.pop_back();
  return text;
}

// What stands before a question that was asked for `answer`, when those of `known` were, too.
std::string before(const FaqList& list, uint32_t answer, std::span<const uint32_t> known) {
  std::string text = "Our answer: " + list.answers[answer] + "\nCustomers ask for it like this:\n";
  for (const uint32_t i : known) text += "- " + plain(list.questions[i].text) + "\n";
  return text + "-";
}

// What is asked, behind that.
std::string asked(const std::string& question) {
  return " " + plain(question) + "\n";
}

}  // namespace

std::vector<Sample> chooser_lessons(const FaqList& list, int64_t times, uint64_t seed) {
  Random random(seed);
  std::vector<Sample> lessons;
  std::vector<std::vector<uint32_t>> questions_of = list.by_answer();
  for (int64_t i = 0; i < times; ++i) {
    for (uint32_t answer = 0; answer < questions_of.size(); ++answer) {
      std::vector<uint32_t>& questions = questions_of[answer];
      shuffle(questions, random);
      // As many as fit where it chooses, and one that is asked.
      const auto shown = std::span<const uint32_t>(questions).first(std::min(questions.size(), kPhrasings + 1));
      lessons.push_back(
          {.place = "answer " + std::to_string(answer + 1),
           .text = before(list, answer, shown.first(shown.size() - 1)) + asked(list.questions[shown.back()].text)});
    }
  }
  return lessons;
}

FaqChooser::FaqChooser(const Transformer& model, const Tokenizer& tokenizer, Context& ctx, const FaqList& list)
    : model_(model), tokenizer_(tokenizer), ctx_(ctx), list_(list), questions_of_(list.by_answer()) {
  for (std::vector<uint32_t>& known : questions_of_) known.resize(std::min(known.size(), kPhrasings));
}

Result<std::vector<double>> FaqChooser::log_probabilities(std::span<const uint32_t> answers,
                                                          std::span<const int32_t> question) const {
  Batch batch;
  for (const uint32_t answer : answers) {
    TRY_ASSIGN(std::vector<int32_t> tokens,
               tokenizer_.encode(before(list_, answer, questions_of_[answer]), {.add_special = true}));
    if (tokens.size() > kMostTokens) tokens.erase(tokens.begin() + 1, tokens.end() - kMostTokens + 1);
    const auto begin = batch.rows();
    const auto asked = begin + static_cast<int64_t>(tokens.size());
    tokens.insert(tokens.end(), question.begin(), question.end() - 1);  // the last token is only foreseen
    batch.sequences.push_back({.row_begin = begin, .rows = static_cast<int64_t>(tokens.size())});
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
    for (int64_t row = asked - 1; row < batch.rows(); ++row) batch.logit_rows.push_back(static_cast<int32_t>(row));
  }
  TRY_ASSIGN(const ForwardOutput output, model_.forward(ctx_, batch, nullptr));
  const auto vocab = static_cast<size_t>(output.logits.dim(1));
  std::vector<double> sums(answers.size(), 0.0);
  for (size_t row = 0; row < batch.logit_rows.size(); ++row) {
    const std::span<const float> logits(output.logits.data<float>() + row * vocab, vocab);
    sums[row / question.size()] += log_probability(logits, question[row % question.size()]);
  }
  return sums;
}

Result<std::vector<double>> FaqChooser::likelihoods(const std::string& question,
                                                    std::span<const uint32_t> answers) const {
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer_.encode(asked(question), {}));
  if (tokens.empty()) return std::vector<double>(answers.size(), 0.0);  // nothing to tell them apart by
  if (tokens.size() > kMostTokens) tokens.resize(kMostTokens);
  const double scale = 1 / std::sqrt(static_cast<double>(tokens.size()));
  const size_t together = std::max<size_t>(1, kMostLogitRows / tokens.size());
  std::vector<double> likelihoods;
  for (size_t begin = 0; begin < answers.size(); begin += together) {
    const auto some = answers.subspan(begin, std::min(together, answers.size() - begin));
    TRY_ASSIGN(const std::vector<double> sums, log_probabilities(some, tokens));
    for (const double sum : sums) likelihoods.push_back(sum * scale);
  }
  return likelihoods;
}

}  // namespace linnet
