// Which of a few answers a question was asked for, by a language model: how likely it holds the question after the
// answer and its known phrasings (query likelihood, Ponte & Croft, SIGIR 1998; with language
// models as rerankers: Sachan et al. 2022, arXiv:2204.07496).
// Ownership: borrows model, tokenizer and context. Thread safety: one thread at a time.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/faq.hpp"
#include "data/sample.hpp"
#include "models/transformer.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

// Tokens that a model must have room for to choose.
inline constexpr int64_t kFaqContext = 512;

// What such a model is taught so that it knows how people ask here: each answer with its questions, as it reads them
// when it chooses, `times` times over, the questions in another order each time. Samples of plain text.
std::vector<Sample> chooser_lessons(const FaqList& list, int64_t times, uint64_t seed);

// What the chooser may keep in the KV cache, where a forward does not need more.
inline constexpr int64_t kFaqCacheBytes = int64_t{256} << 20;

class FaqChooser {
 public:
  FaqChooser(const Transformer& model, const Tokenizer& tokenizer, Context& ctx, const FaqList& list,
             int64_t cache_bytes = kFaqCacheBytes);

  // For each of `answers`, different ones, log p(question | answer), in nats, divided by the root of the question's
  // length in tokens: only differences mean something. What was asked before changes no bit of them. Errors: those of
  // forward.
  Result<std::vector<double>> likelihoods(const std::string& question, std::span<const uint32_t> answers);

 private:
  // What stands before a question that was asked for `answer`; the cache holds its keys and values, but of the last
  // token.
  struct Before {
    uint32_t answer;
    std::vector<int32_t> tokens;
    KvCache::SequenceId id;
  };

  Result<std::vector<int32_t>> tokens_before(uint32_t answer) const;
  // Puts what stands before each of `answers` at the end of kept_, in order, and forgets what was asked for longest ago
  // until there is room for `more` tokens behind each of them.
  Status keep(std::span<const uint32_t> answers, int64_t more);
  // log p of `question` after each of `answers`.
  Result<std::vector<double>> log_probabilities(std::span<const uint32_t> answers, std::span<const int32_t> question);

  const Transformer& model_;
  const Tokenizer& tokenizer_;
  Context& ctx_;
  const FaqList& list_;
  std::vector<std::vector<uint32_t>> questions_of_;
  KvCache cache_;
  std::vector<Before> kept_;  // what was asked for last at the end
};

}  // namespace linnet
