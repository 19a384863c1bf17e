#include "tasks/faq_chooser.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "base/strings.hpp"

namespace linnet {

namespace {

constexpr size_t kPhrasings = 6;      // shown of an answer
constexpr size_t kMostTokens = 256;   // of what stands before the question, and of the question
constexpr int64_t kMostTogether = 8;  // answers of one forward
constexpr DType kKvType = DType::kF16;

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

FaqChooser::FaqChooser(const Transformer& model, const Tokenizer& tokenizer, Context& ctx, const FaqList& list,
                       int64_t cache_bytes)
    : model_(model),
      tokenizer_(tokenizer),
      ctx_(ctx),
      list_(list),
      questions_of_(list.by_answer()),
      cache_(model.kv_shape(kKvType),
             std::max(cache_bytes, model.kv_shape(kKvType).bytes_for(kMostTogether * kFaqContext))) {
  for (std::vector<uint32_t>& known : questions_of_) known.resize(std::min(known.size(), kPhrasings));
}

Result<std::vector<int32_t>> FaqChooser::tokens_before(uint32_t answer) const {
  TRY_ASSIGN(std::vector<int32_t> tokens,
             tokenizer_.encode(before(list_, answer, questions_of_[answer]), {.add_special = true}));
  if (tokens.size() > kMostTokens) tokens.erase(tokens.begin() + 1, tokens.end() - kMostTokens + 1);
  return tokens;
}

Status FaqChooser::keep(std::span<const uint32_t> answers, int64_t more) {
  for (const uint32_t answer : answers) {
    const auto found = std::ranges::find(kept_, answer, &Before::answer);
    if (found != kept_.end()) {
      std::rotate(found, found + 1, kept_.end());
    } else {
      TRY_ASSIGN(std::vector<int32_t> tokens, tokens_before(answer));
      kept_.push_back({answer, std::move(tokens), cache_.add_sequence()});
    }
  }
  const size_t others = kept_.size() - answers.size();
  const auto bytes_of = [&](size_t i) {
    return cache_.shape().bytes_for(static_cast<int64_t>(kept_[i].tokens.size()) + (i < others ? 0 : more));
  };
  int64_t bytes = 0;
  for (size_t i = 0; i < kept_.size(); ++i) bytes += bytes_of(i);
  size_t forgotten = 0;
  for (; bytes > cache_.max_bytes() && forgotten < others; ++forgotten) {
    bytes -= bytes_of(forgotten);
    cache_.remove_sequence(kept_[forgotten].id);
  }
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(forgotten));
  return ok_status();
}

Result<std::vector<double>> FaqChooser::log_probabilities(std::span<const uint32_t> answers,
                                                          std::span<const int32_t> question) {
  const auto asked = static_cast<int64_t>(question.size());
  TRY(keep(answers, asked));
  const auto befores = std::span<const Before>(kept_).last(answers.size());
  Batch batch;
  std::vector<int32_t> targets;
  for (const Before& before : befores) {
    const int64_t known = cache_.length(before.id);
    const int64_t begin = batch.rows();
    batch.tokens.insert(batch.tokens.end(), before.tokens.begin() + known, before.tokens.end());
    batch.tokens.insert(batch.tokens.end(), question.begin(), question.end() - 1);  // the last token is only foreseen
    batch.sequences.push_back({.row_begin = begin,
                               .rows = batch.rows() - begin,
                               .position = known,
                               .cache_id = before.id,
                               .total_length = kFaqContext});
    for (int64_t row = batch.rows() - asked; row < batch.rows(); ++row) {
      batch.logit_rows.push_back(static_cast<int32_t>(row));
    }
    targets.insert(targets.end(), question.begin(), question.end());
  }
  TRY_ASSIGN(const Tensor told, model_.log_probs(ctx_, batch, targets, &cache_));
  std::vector<double> sums;
  for (size_t i = 0; i < befores.size(); ++i) {
    // The last token is read again with the next question, whose first token it foresees.
    cache_.truncate(befores[i].id, static_cast<int64_t>(befores[i].tokens.size()) - 1);
    const auto of_answer = std::as_const(told).span<float>().subspan(i * question.size(), question.size());
    sums.push_back(std::accumulate(of_answer.begin(), of_answer.end(), 0.0));
  }
  return sums;
}

Result<std::vector<double>> FaqChooser::likelihoods(const std::string& question, std::span<const uint32_t> answers) {
  TRY_ASSIGN(std::vector<int32_t> tokens, tokenizer_.encode(asked(question), {}));
  if (tokens.empty()) return std::vector<double>(answers.size(), 0.0);  // nothing to tell them apart by
  if (tokens.size() > kMostTokens) tokens.resize(kMostTokens);
  const double scale = 1 / std::sqrt(static_cast<double>(tokens.size()));
  std::vector<double> likelihoods;
  for (size_t begin = 0; begin < answers.size(); begin += kMostTogether) {
    const auto some = answers.subspan(begin, std::min<size_t>(kMostTogether, answers.size() - begin));
    TRY_ASSIGN(const std::vector<double> sums, log_probabilities(some, tokens));
    for (const double sum : sums) likelihoods.push_back(sum * scale);
  }
  return likelihoods;
}

}  // namespace linnet
