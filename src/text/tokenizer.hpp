// Text to token ids and back, for every kind of tokenizer that models bring: byte-level BPE, SentencePiece BPE and
// unigram, WordPiece, words.
//
// What is right is what the format's own library gives: Hugging Face tokenizers for tokenizer.json, sentencepiece for
// tokenizer.model, llama.cpp for GGUF.
// Thread safety: a Tokenizer is immutable and may be used from any thread. Ownership: it owns all that it needs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/decoder.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

struct TokenizerParts;

struct EncodeOptions {
  bool add_special = false;    // the tokens that the model expects around a text: <s>, [CLS], …
  bool parse_special = false;  // "<|im_end|>" in the text is that token; otherwise it is text like any other
};

// What of a text became no token as it was.
struct EncodeLoss {
  enum class Kind {
    kNotUtf8,          // `bytes` is no UTF-8: U+FFFD stands for it
    kNotInVocabulary,  // the vocabulary has nothing for `bytes`, a character or a byte of one, not even an unknown
                       // token
  };
  Kind kind = Kind::kNotUtf8;
  std::string bytes;  // the first in the text

  std::string to_string() const;  // a sentence for people
};
using LossReport = std::function<void(const EncodeLoss&)>;

struct DecodeOptions {
  bool skip_special = true;
};

// kNoToken where the tokenizer has none.
struct SpecialIds {
  int32_t bos = kNoToken;
  int32_t eos = kNoToken;
  int32_t eot = kNoToken;  // ends a turn of a chat; often eos itself
  int32_t unk = kNoToken;
  int32_t pad = kNoToken;
  int32_t sep = kNoToken;
  int32_t cls = kNoToken;
  int32_t mask = kNoToken;
};

class Tokenizer {
 public:
  explicit Tokenizer(std::unique_ptr<const TokenizerParts> parts);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Invalid UTF-8 keeps its bytes where the tokenizer works on bytes and has a token for each, and becomes U+FFFD
  // elsewhere. Byte-level BPE leaves out bytes that it has no token for, as Hugging Face tokenizers and llama.cpp do.
  // Whoever asked by on_loss() hears of either. Errors: a character that the vocabulary cannot express; a pattern that
  // gives up; rules that make the text grow too far; a text over 2 GiB.
  Result<std::vector<int32_t>> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // Who hears of what encode() loses: each kind at most once a call, on the thread of the call. Before the first call.
  void on_loss(LossReport report) { loss_report_ = std::move(report); }
  void report_loss(const EncodeLoss& loss) const {
    if (loss_report_) loss_report_(loss);
  }

  // Valid UTF-8 always. Ids that are no token give nothing.
  std::string decode(std::span<const int32_t> ids, const DecodeOptions& options = {}) const;

  // One more than the largest id; some ids below it may be no token.
  int32_t vocab_size() const;
  bool contains(int64_t id) const;
  // As the vocabulary spells it ("Ġthe", "▁the", "##ing"); empty where there is none. Borrowed from the tokenizer.
  std::string_view piece(int32_t id) const;
  // The bytes that the token stands for inside a text (" the"); they need not be UTF-8 on their own.
  std::string token_bytes(int32_t id) const;
  TokenKind kind(int32_t id) const;
  // Skipped by decode() unless asked for.
  bool is_special(int32_t id) const;
  std::optional<int32_t> id_of(std::string_view piece) const;
  const SpecialIds& special() const;
  // Every token after which generation stops: eos, eot and what else is known by name.
  const std::vector<int32_t>& end_ids() const;
  // "byte-level BPE", for people.
  const std::string& algorithm() const;

  const TokenizerParts& parts() const { return *parts_; }

 private:
  std::unique_ptr<const TokenizerParts> parts_;
  LossReport loss_report_;
};

// Decodes as tokens arrive: what push() and finish() give, one after the other, is what decode() gives for all. Never
// gives half a character. Borrows the tokenizer.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, const DecodeOptions& options = {});
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  DecodeOptions options_;
  DecoderRun run_;
};

}  // namespace linnet
