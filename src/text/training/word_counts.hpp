// The different words of a text and how often each occurs: all that training a tokenizer needs to know of it.
// Ownership: WordCounts holds the bytes of its words. Thread safety: count_words() uses the run's pool; values after.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/training/corpus.hpp"
#include "text/training/training_run.hpp"
#include "text/vocabulary.hpp"

namespace linnet {

struct WordCount {
  std::string_view word;
  uint64_t count = 0;
};

class WordCounts {
 public:
  WordCounts() = default;
  WordCounts(WordCounts&&) = default;
  WordCounts& operator=(WordCounts&&) = default;

  // Adds `count` occurrences; copies the word where it is new. Errors: more than 2^31 different words.
  Status add(std::string_view word, uint64_t count);
  // Adds all that `other` has, and keeps what its words lie in.
  Status absorb(WordCounts&& other);
  // In the order of their bytes, the same for any order of adding.
  void sort();

  // In no particular order before sort().
  std::span<const WordCount> words() const { return words_; }
  uint64_t total() const;  // words with their repetitions

 private:
  std::string_view keep(std::string_view word);
  Status insert(std::string_view kept, uint64_t count);

  PieceMap index_;
  std::vector<WordCount> words_;
  std::deque<std::vector<char>> blocks_;  // never reallocated, so that words stay where they are
  size_t room_ = 0;                       // of the newest block
};

// What `stages` make of every text of the corpus; a word of more than `longest` bytes (at least 4) counts as several,
// cut between characters. Errors: those of the corpus and the stages; kCancelled.
Result<WordCounts> count_words(const TextCorpus& corpus, const PreTokenizers& stages, const TrainingRun& run,
                               size_t longest = std::string_view::npos);

}  // namespace linnet
