// A tokenizer learned from a text: `linnet tokenizer train`.
//
// What comes out is a tokenizer.json that Linnet and Hugging Face tokenizers read alike, with a tokenizer_config.json
// for transformers.
// - kBpe: byte-level BPE behind GPT-2's pattern. Every text can be written and read back, byte by byte.
// - kUnigram: pieces of words, which begin with their space as U+2581; a run of line breaks is a word of its own. What
// is
//   longer than 4192 bytes without a space is learned from as several words.
// - kCharacters: single characters, spelled and scored as unigram pieces.
// The last two read U+2581 in a text as a space, as every tokenizer of this kind does.
// Thread safety: train_tokenizer() uses the run's pool; the result does not depend on the number of its threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "text/training/corpus.hpp"
#include "text/training/training_run.hpp"

namespace linnet {

enum class TokenizerKind { kBpe, kUnigram, kCharacters };

// What a character without a piece becomes; byte-level BPE has none.
enum class UnknownCharacters {
  kToken,  // <unk>: it is lost
  kBytes,  // its bytes, each a token "<0x0A>"
};

struct TokenizerTraining {
  TokenizerKind kind = TokenizerKind::kBpe;
  std::optional<int32_t> vocab_size;  // of all tokens, at most kMaxVocab; none: kDefaultVocab, or every character
  uint64_t min_frequency = 2;         // kBpe
  std::vector<std::string> specials{"<|endoftext|>"};  // the first ends a text
  UnknownCharacters unknown = UnknownCharacters::kBytes;

  static constexpr int32_t kDefaultVocab = 8192;
  static constexpr int32_t kMaxVocab = 1 << 22;
};

struct TrainedTokenizer {
  std::string json;    // of tokenizer.json
  std::string config;  // of tokenizer_config.json
  int32_t vocab_size = 0;
  size_t merges = 0;            // kBpe
  uint64_t bytes = 0;           // of the words, with their repetitions
  uint64_t words = 0;           // with their repetitions
  uint64_t distinct_words = 0;  // without
  uint64_t tokens = 0;          // that the text is cut into
};

// Errors: a text of nothing; those of reading it; a vocab_size that is too small for what must be in it; special tokens
// that are empty, too long or twice there; kCancelled.
Result<TrainedTokenizer> train_tokenizer(const TextCorpus& corpus, const TokenizerTraining& options,
                                         const TrainingRun& run);

}  // namespace linnet
