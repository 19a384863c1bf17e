#include "tasks/faq_chooser.hpp"

#include <algorithm>
#include <cmath>

namespace linnet {

namespace {

constexpr size_t kPhrasings = 6;     // shown of an answer
constexpr size_t kMostTokens = 256;  // of what stands before the question, and of the question

// As the phrasings before it are written: in lower case, without a question mark, which people forget.
std::string plain(const std::string& question) {
  std::string text = question;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  while (text.ends_with('?') || text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace

FaqChooser::FaqChooser(const Transformer& model, const Tokenizer& tokenizer, Context& ctx, const FaqList& list)
    : model_(model), tokenizer_(tokenizer), ctx_(ctx), list_(list), questions_of_(list.answers.size()) {
  for (size_t i = 0; i < list.questions.size(); ++i) {
    std::vector<uint32_t>& known = questions_of_[list.questions[i].answer];
    if (known.size() < kPhrasings) known.push_back(static_cast<uint32_t>(i));
  }
}

std::string FaqChooser::before(uint32_t answer) const {
  std::string text = "Our answer: " + list_.answers[answer] + "\nCustomers ask for it like this:\n";
  for (const uint32_t i : questions_of_[answer]) text += "- " + plain(list_.questions[i].text) + "\n";
  return text + "-";
}

Result<double> FaqChooser::log_probability(const std::string& before, const std::vector<int32_t>& question) const {
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer_.encode(before, {.add_special = true}));
  if (tokens.size() > kMostTokens) tokens.erase(tokens.begin() + 1, tokens.end() - kMostTokens + 1);
  Batch batch;
  std::vector<int32_t> targets;
  for (const int32_t token : question) {
    batch.logit_rows.push_back(static_cast<int32_t>(tokens.size()) - 1);
    targets.push_back(token);
    tokens.push_back(token);
  }
  batch.sequences.push_back({.row_begin = 0, .rows = static_cast<int64_t>(tokens.size())});
  batch.tokens = std::move(tokens);
  TRY_ASSIGN(const Tensor loss, model_.loss(ctx_, batch, targets, 1));
  return -double{loss.data<float>()[0]};
}

Result<std::vector<double>> FaqChooser::likelihoods(const std::string& question,
                                                    std::span<const uint32_t> answers) const {
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer_.encode(" " + plain(question) + "\n", {}));
  if (tokens.size() > kMostTokens) tokens.resize(kMostTokens);
  const double scale = 1 / std::sqrt(static_cast<double>(tokens.size()));
  std::vector<double> likelihoods;
  for (const uint32_t answer : answers) {
    TRY_ASSIGN(const double log_p, log_probability(before(answer), tokens));
    likelihoods.push_back(log_p * scale);
  }
  return likelihoods;
}

}  // namespace linnet
