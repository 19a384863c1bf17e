// From samples to token sequences with a loss mask.
// Thread safety: a Renderer is immutable and may be used from any thread. Ownership: borrows tokenizer and template.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/progress.hpp"
#include "base/thread_pool.hpp"
#include "data/reply_spans.hpp"
#include "data/sample.hpp"

namespace linnet {

struct TokenSequence {
  std::vector<int32_t> tokens;  // T
  // T: 1 where the token is learned, that is, where the loss of foreseeing it from those before it counts. The first
  // token is never learned.
  std::vector<uint8_t> learned;
  uint32_t sample = 0;  // its number among the samples
  uint32_t whole = 0;   // tokens that it had before it was cut; 0: it was not
};

struct RenderSettings {  // NOLINT(clang-analyzer-core.uninitialized.Assign): see Error
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;  // nullptr: only plain text can be rendered
  std::vector<int32_t> end_ids = {};            // besides those of the tokenizer: generation_config's eos_token_id
  std::string system = {};                      // the system message of conversations that have none of their own
  Json extra = Json::object();                  // variables for the template, such as enable_thinking
  RenderOptions options = {};                   // options.now: set it, or a template that shows the date gives other
                                                // tokens tomorrow
  int64_t max_length = 2048;                    // tokens of a sequence
};

// Sequences that were longer than max_length: their first max_length tokens are left.
struct CutCount {
  uint64_t sequences = 0;
  uint64_t tokens = 0;   // cut off
  uint64_t learned = 0;  // of them, those that would have been learned
};

struct TokenSet {
  std::vector<TokenSequence> sequences;
  std::vector<uint32_t> cut_samples;  // ascending
  CutCount cut;

  uint64_t tokens() const;
  uint64_t learned() const;
};

class Renderer {
 public:
  explicit Renderer(RenderSettings settings);

  // One sample: a conversation mostly gives one sequence (see find_reply_spans), not cut. Plain text gives one for each
  // max_length tokens, framed as the tokenizer frames texts and closed by its eos; each further one begins with the
  // last token of the one before, so that every token is learned once. A completion stands right behind its prompt
  // where the model has no chat template, closed by its eos. Errors: another conversation for such a model; those of
  // find_reply_spans and of the tokenizer, at the sample's place.
  Result<std::vector<TokenSequence>> render(const Sample& sample, DataForm form) const;

  // All samples, in their order, cut to max_length. Same result on any number of threads.
  Result<TokenSet> render_all(const std::vector<Sample>& samples, DataForm form, ThreadPool& pool,
                              const ProgressCallback& progress = {}, const CancelToken* cancel = nullptr) const;

  const RenderSettings& settings() const { return settings_; }
  // Tokens at which generation stops.
  const std::vector<int32_t>& end_ids() const { return spans_.end_ids; }

 private:
  Result<std::vector<TokenSequence>> render_text(const std::string& text) const;
  Result<std::vector<TokenSequence>> render_completion(const Json& messages) const;
  Result<std::vector<TokenSequence>> render_messages(const Json& messages, const Json& tools) const;

  RenderSettings settings_;
  PromptEncoder encoder_;
  ReplySpanSettings spans_;
};

// Keeps the first `max_length` tokens, and counts the others.
bool cut_to_length(TokenSequence& sequence, int64_t max_length, CutCount& count);

}  // namespace linnet
