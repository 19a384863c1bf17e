// A language model's opinion of questions and answers. Which of a few answers a question was asked for: how likely it
// holds the question after the answer and its known phrasings (query likelihood, Ponte & Croft, SIGIR 1998; with
// language models as rerankers: Sachan et al. 2022, arXiv:2204.07496). Whether an answer tells what was asked: it is
// asked that, yes or no. And whether the question is one to the place that the list is of, or of any other subject: as
// which of both it is likelier. Ownership: borrows model, tokenizer, context and opinions. Thread safety: one thread at
// a time.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "data/faq.hpp"
#include "models/transformer.hpp"
#include "tasks/faq_opinions.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// Tokens that a model must have room for to choose.
inline constexpr int64_t kFaqContext = 768;

// What the chooser may keep in the KV cache, where a forward does not need more.
inline constexpr int64_t kFaqCacheBytes = int64_t{384} << 20;

// No verdict is surer: a few sure ones would outweigh all nearness.
inline constexpr double kSurest = 8;

// A model that thinks, and on what.
struct FaqThinker {
  const Transformer& model;
  const Tokenizer& tokenizer;
  Context& ctx;
  std::optional<ChatTemplate> chat_template = {};  // without: it is asked nothing, and only chooses
  FaqOpinions* opinions = nullptr;                 // what it thought before, and will have thought; may be null
};

class FaqChooser {
 public:
  FaqChooser(FaqThinker thinker, const FaqList& list, int64_t cache_bytes = kFaqCacheBytes);

  // For each of `answers`, different ones, log p(question | answer), in nats, divided by the root of the question's
  // length in tokens: only differences mean something. In a chat the model is told to write a message to which the
  // answer would be the reply; without a template, or where that is longer than the model has room for, the question
  // stands in a list behind the answer. What was asked before changes no bit of them. Errors: those of the template and
  // of forward.
  Result<std::vector<double>> likelihoods(const std::string& question, std::span<const uint32_t> answers);

  // The logarithm of the odds that the answer tells what the question asks, within -kSurest and kSurest; no opinion
  // without a chat template, or where the prompt is longer than the model has room for. Errors: those of the template
  // and of forward.
  Result<std::optional<double>> verdict(const std::string& question, uint32_t answer);

  // How much likelier the question is as one more message like those of the list than as a question about anything in
  // the world: the ratio's logarithm, in nats, divided by the root of the question's length in tokens; no opinion
  // without a chat template, or where the prompt is longer than the model has room for. Errors: those of the template
  // and of forward.
  Result<std::optional<double>> belonging(const std::string& question);

 private:
  enum class Kind { kListed, kWritten, kVerdict, kToPlace, kToAnybody };
  // What stands before every question that is asked of an answer, or of all (0); the cache holds keys and values of its
  // beginning.
  struct Before {
    Kind kind;
    uint32_t answer;
    std::vector<int32_t> tokens;
    KvCache::SequenceId id;
  };

  // Where in kept_; its size where nowhere.
  std::ptrdiff_t place_of(Kind kind, uint32_t answer) const;
  // Those that are kept, else new ones.
  Result<std::vector<int32_t>> tokens_before(Kind kind, uint32_t answer) const;
  Result<std::vector<int32_t>> tokens_before_listed(uint32_t answer) const;
  Result<std::vector<int32_t>> tokens_before_verdict(uint32_t answer) const;
  Result<std::vector<int32_t>> tokens_before_place() const;
  // A prompt that has the model write.
  Result<std::vector<int32_t>> prompt_to_write(std::string what) const;
  Result<std::vector<int32_t>> verdict_prompt(const std::string& question, uint32_t answer) const;
  // Requires a template.
  Result<std::vector<int32_t>> chat_prompt(Json messages) const;
  // Puts what stands before each of `answers` at the end of kept_, in order, and forgets what was asked for longest ago
  // until there is room for `more` tokens behind each of them.
  Status keep(Kind kind, std::span<const uint32_t> answers, int64_t more);
  // likelihoods() of one wording, in which the question is `asked`; none where it has no room.
  Result<std::vector<double>> likelihoods_of(Kind wording, const std::string& asked, std::span<const uint32_t> answers);
  // log p of `question` after each of `answers`.
  Result<std::vector<double>> log_probabilities(Kind wording, std::span<const uint32_t> answers,
                                                std::span<const int32_t> question);
  // The logarithm of the odds of yes against no behind `prompt`, which is about `answer`.
  Result<double> odds(std::span<const int32_t> prompt, uint32_t answer);

  FaqThinker thinker_;
  const FaqList& list_;
  std::vector<std::vector<uint32_t>> questions_of_;
  KvCache cache_;
  std::vector<Before> kept_;  // what was asked for last at the end
};

}  // namespace linnet
