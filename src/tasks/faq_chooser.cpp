#include "tasks/faq_chooser.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/check.hpp"
#include "base/strings.hpp"
#include "engine/session.hpp"
#include "tasks/chat_prompt.hpp"
#include "text/chat_request.hpp"

namespace linnet {

namespace {

constexpr size_t kPhrasings = 6;       // shown of an answer
constexpr size_t kShownToJudge = 3;    // of them, to judge whether it answers
constexpr size_t kShownOfPlace = 24;   // questions of the list, to show what it is about
constexpr size_t kMostTokens = 256;    // of what is listed before the question, and of the question
constexpr int64_t kMostTogether = 10;  // answers of one forward
constexpr DType kKvType = DType::kF16;

// As the phrasings before it are listed: in lower case, without a question mark, which people forget.
std::string plain(const std::string& question) {
  std::string text = ascii_lower(question);
  while (text.ends_with('?') || text.ends_with(' ')) text.pop_back();
  return text;
}

// What stands before a question in a list of those that were asked for `answer`, as `known` were.
std::string listed(const FaqList& list, uint32_t answer, std::span<const uint32_t> known) {
  std::string text = "Our answer: " + list.answers[answer] + "\nCustomers ask for it like this:\n";
  for (const uint32_t i : known) text += "- " + plain(list.questions[i].text) + "\n";
  return text + "-";
}

// The questions, each behind a space.
std::string in_a_row(const FaqList& list, std::span<const uint32_t> questions) {
  std::string text;
  for (const uint32_t i : questions) text += " " + list.questions[i].text;
  return text;
}

// What has a model write a message that is answered by `answer`, as `known` are. That people ask indirectly counts
// most.
std::string to_be_written(const FaqList& list, uint32_t answer, std::span<const uint32_t> known) {
  return "Answer: \"" + list.answers[answer] + "\"\nUsual question:" + in_a_row(list, known) +
         "\nWrite one more message by a customer which this answers, in casual and indirect words. "
         "Write nothing but the message.";
}

// Has a model write another message like those of the list, of which it is shown so many: of answers from all over it,
// in different phrasings.
std::string to_the_place(const FaqList& list, std::span<const std::vector<uint32_t>> questions_of, size_t shown) {
  std::string text = "Here are messages that customers of a place wrote to it:\n";
  for (size_t i = 0; i < shown; ++i) {
    const std::vector<uint32_t>& known = questions_of[i * questions_of.size() / shown];
    text += "- " + list.questions[known[i % known.size()]].text + "\n";
  }
  return text +
         "Write one more message by a customer, about anything of that place, in casual words. Write nothing but the "
         "message.";
}

constexpr const char* kToAnybody =
    "Write a question or a task that somebody might give an assistant, about anything in the world. Write nothing but "
    "the question or task.";

// Whether `answer` tells what the question asks. What changes with the question comes last: what stands before is read
// once.
std::string asked_whether(const FaqList& list, uint32_t answer, std::span<const uint32_t> known,
                          const std::string& question) {
  return "Answer: \"" + list.answers[answer] +
         "\"\nIt replies to:" + in_a_row(list, known.first(std::min(known.size(), kShownToJudge))) +
         "\n\nA customer asks: \"" + question +
         "\"\nDoes the answer tell the customer just what was asked? Say yes or no.";
}

Json message(const char* role, std::string content) {
  return {{"role", role}, {"content", std::move(content)}};
}

}  // namespace

FaqChooser::FaqChooser(FaqThinker thinker, const FaqList& list, int64_t cache_bytes)
    : thinker_(std::move(thinker)),
      list_(list),
      questions_of_(list.by_answer()),
      cache_(thinker_.model.kv_shape(kKvType),
             std::max(cache_bytes, thinker_.model.kv_shape(kKvType).bytes_for(kMostTogether * kFaqContext))) {
  for (std::vector<uint32_t>& known : questions_of_) known.resize(std::min(known.size(), kPhrasings));
}

Result<std::vector<int32_t>> FaqChooser::chat_prompt(Json messages) const {
  CHECK(thinker_.chat_template.has_value());
  ChatRequest request;
  request.messages = std::move(messages);
  request.add_generation_prompt = true;
  request.extra = {{"enable_thinking", false}};
  TRY_ASSIGN(ChatPrompt prompt, make_chat_prompt(*thinker_.chat_template, thinker_.tokenizer, request));
  return std::move(prompt.tokens);
}

Result<std::vector<int32_t>> FaqChooser::prompt_to_write(std::string what) const {
  return chat_prompt(Json::array({message("user", std::move(what))}));
}

Result<std::vector<int32_t>> FaqChooser::verdict_prompt(const std::string& question, uint32_t answer) const {
  const Json asked = message("user", asked_whether(list_, answer, questions_of_[answer], question));
  auto prompt = chat_prompt(
      Json::array({message("system", "You check whether an answer replies to what a customer asks."), asked}));
  if (prompt.ok()) return prompt;
  return chat_prompt(Json::array({asked}));  // some templates refuse a system message
}

Result<std::vector<int32_t>> FaqChooser::tokens_before_listed(uint32_t answer) const {
  TRY_ASSIGN(std::vector<int32_t> tokens,
             thinker_.tokenizer.encode(listed(list_, answer, questions_of_[answer]), {.add_special = true}));
  if (tokens.size() > kMostTokens) tokens.erase(tokens.begin() + 1, tokens.end() - kMostTokens + 1);
  return tokens;
}

// What two different questions have in common.
Result<std::vector<int32_t>> FaqChooser::tokens_before_verdict(uint32_t answer) const {
  TRY_ASSIGN(std::vector<int32_t> tokens, verdict_prompt("a", answer));
  TRY_ASSIGN(const std::vector<int32_t> other, verdict_prompt("1", answer));
  tokens.resize(common_length(tokens, other));
  return tokens;
}

// Shows fewer questions of a list of long ones.
Result<std::vector<int32_t>> FaqChooser::tokens_before_place() const {
  for (size_t shown = std::min(questions_of_.size(), kShownOfPlace);; shown /= 2) {
    TRY_ASSIGN(std::vector<int32_t> tokens, prompt_to_write(to_the_place(list_, questions_of_, shown)));
    if (tokens.size() + kMostTokens <= static_cast<size_t>(kFaqContext) || shown <= 1) return tokens;
  }
}

std::ptrdiff_t FaqChooser::place_of(Kind kind, uint32_t answer) const {
  const auto found =
      std::ranges::find_if(kept_, [&](const Before& before) { return before.kind == kind && before.answer == answer; });
  return found - kept_.begin();
}

Result<std::vector<int32_t>> FaqChooser::tokens_before(Kind kind, uint32_t answer) const {
  if (const auto place = static_cast<size_t>(place_of(kind, answer)); place < kept_.size()) return kept_[place].tokens;
  switch (kind) {
    case Kind::kListed:
      return tokens_before_listed(answer);
    case Kind::kWritten:
      return prompt_to_write(to_be_written(list_, answer, questions_of_[answer]));
    case Kind::kVerdict:
      return tokens_before_verdict(answer);
    case Kind::kToPlace:
      return tokens_before_place();
    case Kind::kToAnybody:
      return prompt_to_write(kToAnybody);
  }
  return std::vector<int32_t>{};
}

Status FaqChooser::keep(Kind kind, std::span<const uint32_t> answers, int64_t more) {
  for (const uint32_t answer : answers) {
    const auto found = kept_.begin() + place_of(kind, answer);
    if (found != kept_.end()) {
      std::rotate(found, found + 1, kept_.end());
    } else {
      TRY_ASSIGN(std::vector<int32_t> tokens, tokens_before(kind, answer));
      kept_.push_back({kind, answer, std::move(tokens), cache_.add_sequence()});
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

Result<std::vector<double>> FaqChooser::log_probabilities(Kind wording, std::span<const uint32_t> answers,
                                                          std::span<const int32_t> question) {
  const auto asked = static_cast<int64_t>(question.size());
  TRY(keep(wording, answers, asked));
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
  TRY_ASSIGN(const Tensor told, thinker_.model.log_probs(thinker_.ctx, batch, targets, &cache_));
  std::vector<double> sums;
  for (size_t i = 0; i < befores.size(); ++i) {
    // The last token is read again with the next question, whose first token it foresees.
    cache_.truncate(befores[i].id, static_cast<int64_t>(befores[i].tokens.size()) - 1);
    const auto of_answer = std::as_const(told).span<float>().subspan(i * question.size(), question.size());
    sums.push_back(std::accumulate(of_answer.begin(), of_answer.end(), 0.0));
  }
  return sums;
}

Result<std::vector<double>> FaqChooser::likelihoods_of(Kind wording, const std::string& asked,
                                                       std::span<const uint32_t> answers) {
  TRY_ASSIGN(std::vector<int32_t> tokens, thinker_.tokenizer.encode(asked, {}));
  if (tokens.empty()) return std::vector<double>(answers.size(), 0.0);  // nothing to tell them apart by
  if (tokens.size() > kMostTokens) tokens.resize(kMostTokens);
  std::vector<double> sums(answers.size());
  std::vector<std::vector<int32_t>> prompts(answers.size());
  std::vector<size_t> unknown;
  for (size_t i = 0; i < answers.size(); ++i) {
    TRY_ASSIGN(prompts[i], tokens_before(wording, answers[i]));
    prompts[i].insert(prompts[i].end(), tokens.begin(), tokens.end());
    if (prompts[i].size() > static_cast<size_t>(kFaqContext)) return std::vector<double>{};
    const std::optional<double> known = thinker_.opinions ? thinker_.opinions->find(prompts[i]) : std::nullopt;
    if (known) sums[i] = *known;
    if (!known) unknown.push_back(i);
  }
  for (size_t begin = 0; begin < unknown.size(); begin += kMostTogether) {
    const auto some = std::span(unknown).subspan(begin, std::min<size_t>(kMostTogether, unknown.size() - begin));
    std::vector<uint32_t> asked_for;
    for (const size_t i : some) asked_for.push_back(answers[i]);
    TRY_ASSIGN(const std::vector<double> got, log_probabilities(wording, asked_for, tokens));
    for (size_t k = 0; k < some.size(); ++k) {
      sums[some[k]] = got[k];
      if (thinker_.opinions) thinker_.opinions->add(prompts[some[k]], got[k]);
    }
  }
  const double scale = 1 / std::sqrt(static_cast<double>(tokens.size()));
  for (double& sum : sums) sum *= scale;
  return sums;
}

Result<std::vector<double>> FaqChooser::likelihoods(const std::string& question, std::span<const uint32_t> answers) {
  if (thinker_.chat_template) {
    TRY_ASSIGN(std::vector<double> written, likelihoods_of(Kind::kWritten, question, answers));
    if (!written.empty()) return written;
  }
  return likelihoods_of(Kind::kListed, " " + plain(question) + "\n", answers);
}

Result<double> FaqChooser::odds(std::span<const int32_t> prompt, uint32_t answer) {
  TRY(keep(Kind::kVerdict, {&answer, 1}, static_cast<int64_t>(prompt.size())));
  const Before& before = kept_.back();
  const auto shared = static_cast<int64_t>(common_length(before.tokens, prompt));
  // Its last token is read in any case: behind it the model speaks.
  const int64_t known = std::min({cache_.length(before.id), shared, static_cast<int64_t>(prompt.size()) - 1});
  cache_.truncate(before.id, known);
  Batch batch;
  batch.tokens.assign(prompt.begin() + known, prompt.end());
  batch.sequences.push_back(
      {.rows = batch.rows(), .position = known, .cache_id = before.id, .total_length = kFaqContext});
  batch.logit_rows = {static_cast<int32_t>(batch.rows() - 1)};
  TRY_ASSIGN(const ForwardOutput out, thinker_.model.forward(thinker_.ctx, batch, &cache_));
  cache_.truncate(before.id, shared);
  const auto logits = out.logits.span<float>();
  const auto either = [&](const char* lower, const char* upper) -> Result<double> {
    TRY_ASSIGN(const std::vector<int32_t> one, thinker_.tokenizer.encode(lower, {}));
    TRY_ASSIGN(const std::vector<int32_t> other, thinker_.tokenizer.encode(upper, {}));
    if (one.empty() || other.empty()) return 0.0;
    const double x = logits[static_cast<size_t>(one[0])];
    const double y = logits[static_cast<size_t>(other[0])];
    return std::max(x, y) + std::log1p(std::exp(-std::abs(x - y)));
  };
  TRY_ASSIGN(const double yes, either("yes", "Yes"));
  TRY_ASSIGN(const double no, either("no", "No"));
  return std::clamp(yes - no, -kSurest, kSurest);
}

Result<std::optional<double>> FaqChooser::verdict(const std::string& question, uint32_t answer) {
  if (!thinker_.chat_template) return std::optional<double>();
  TRY_ASSIGN(const std::vector<int32_t> prompt, verdict_prompt(question, answer));
  if (prompt.size() > static_cast<size_t>(kFaqContext)) return std::optional<double>();
  if (const auto known = thinker_.opinions ? thinker_.opinions->find(prompt) : std::nullopt) return known;
  TRY_ASSIGN(const double opinion, odds(prompt, answer));
  if (thinker_.opinions) thinker_.opinions->add(prompt, opinion);
  return std::optional(opinion);
}

Result<std::optional<double>> FaqChooser::belonging(const std::string& question) {
  if (!thinker_.chat_template) return std::optional<double>();
  constexpr std::array<uint32_t, 1> kOfAll = {0};
  TRY_ASSIGN(const std::vector<double> to_place, likelihoods_of(Kind::kToPlace, question, kOfAll));
  TRY_ASSIGN(const std::vector<double> to_anybody, likelihoods_of(Kind::kToAnybody, question, kOfAll));
  if (to_place.empty() || to_anybody.empty()) return std::optional<double>();
  return std::optional(to_place.front() - to_anybody.front());
}

}  // namespace linnet
