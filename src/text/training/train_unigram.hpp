// Training of a unigram language model (Kudo 2018, arXiv:1804.10959): expectation maximisation over pieces, and pruning
// of those whose loss costs least, until the vocabulary has the size asked for.
//
// The steps are those of Hugging Face tokenizers' UnigramTrainer (0.23): seeds from a suffix array, two rounds of EM
// between prunings to three quarters, a digamma in place of the logarithm as a sparse prior. The peer sums in an order
// that differs from run to run, this one in one order on any number of threads; so the pieces are the same but for
// ties, the scores but for rounding. Thread safety: train_unigram() uses the run's pool.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "text/training/seed_pieces.hpp"
#include "text/training/training_run.hpp"
#include "text/training/word_counts.hpp"

namespace linnet {

struct UnigramTraining {
  int32_t vocab_size = 0;  // of all tokens: <unk>, `specials` more, and pieces
  int32_t specials = 0;
  std::u32string alphabet;  // characters that become pieces although no word has them
  // Spellings of other tokens, such as "<0x0A>": no piece, although a text repeats them.
  std::vector<std::string> reserved = {};
};

struct TrainedUnigram {
  std::vector<UnigramPiece> pieces;  // most likely first; without <unk> and the specials
  uint64_t tokens = 0;               // that the words are cut into, with their repetitions
};

// `words` are UTF-8 and sorted. There are fewer pieces than asked for where the text has no more. Errors: a vocab_size
// with no room for the characters; too much text; kCancelled.
Result<TrainedUnigram> train_unigram(const WordCounts& words, const UnigramTraining& options, const TrainingRun& run);

// The characters of the text as pieces, each scored by its frequency, in the order of their code points: at most
// `most`, those of `alphabet` and the most frequent others. A character that is left out counts as its bytes, or as one
// token.
TrainedUnigram train_characters(const WordCounts& words, const std::u32string& alphabet, size_t most, bool byte_tokens);

}  // namespace linnet
