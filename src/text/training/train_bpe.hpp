// Training of byte-level BPE: from the counts of words to the merges (Sennrich et al. 2016, arXiv:1508.07909).
//
// The merges are those of Hugging Face tokenizers' BpeTrainer (0.23) with ByteLevel's alphabet as initial_alphabet,
// down to its ties: of pairs that are equally frequent the one with the smaller ids is merged first. A pair's frequency
// is all that was ever added to it, less what its neighbours' merges took: what its own merges used up stays counted,
// which tells where a token can be made in two ways ("ab" + "c", "a" + "bc"). Memory: about 24 bytes for each byte of
// the different words. Time: each merge touches only where its pair stands. Thread safety: train_bpe() is a function of
// its arguments; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "text/training/training_run.hpp"
#include "text/training/word_counts.hpp"

namespace linnet {

struct BpeTraining {
  int32_t vocab_size = 0;             // of all tokens: special, bytes, merged
  uint64_t min_frequency = 0;         // a pair that occurs less often is not merged
  std::vector<std::string> specials;  // the first ids, in this order; a word that merges to one is it
};

struct TrainedBpe {
  std::vector<std::string> pieces;                  // by id, in GPT-2's byte alphabet
  std::vector<std::pair<int32_t, int32_t>> merges;  // in order of rank, ids of the parts
  uint64_t tokens = 0;                              // that the words are cut into, with their repetitions
};

// `words` are bytes. The vocabulary is smaller than asked where no pair is frequent enough any more, or all that are
// would be too long for a Vocabulary. Errors: a vocab_size that has no room for the specials and the 256 bytes;
// different words of 2 GiB or more together; kCancelled.
Result<TrainedBpe> train_bpe(const WordCounts& words, const BpeTraining& options, const TrainingRun& run);

}  // namespace linnet
