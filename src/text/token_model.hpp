// What every tokenization algorithm offers: words in, ids out.
// Thread safety: models are immutable; each call brings its own scratch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet {

// A piece of a text: bytes [begin, end).
struct TextSpan {
  size_t begin = 0;
  size_t end = 0;
};

// Words met in this call that are not one token, so that they are worked out once. Direct-mapped, bounded: a newer word
// takes the place of an older one. The ids are those that the call has already written.
class WordCache {
 public:
  static constexpr size_t kMaxWord = 24;

  struct Entry {
    uint64_t words[3] = {};
    uint32_t length = 0;  // 0: empty
    uint32_t count = 0;
    size_t first = 0;  // of its ids in the output
  };

  // Memory is taken once more than a few kilobytes of text have been seen.
  void expect(size_t bytes) {
    if (entries_.empty() && bytes > 4096) entries_.resize(kEntries);
  }
  bool enabled() const { return !entries_.empty(); }
  // The place of a word of 1 to kMaxWord bytes; it holds that word where the first is true.
  std::pair<bool, Entry*> at(std::string_view word);

 private:
  static constexpr size_t kEntries = 4096;
  std::vector<Entry> entries_;
};

// Memory of one encode call.
struct EncodeScratch {
  // A neighbouring pair that may be merged, for long words.
  struct Candidate {
    float score = 0;    // SentencePiece: the merged piece's score, highest first
    uint32_t rank = 0;  // BPE: the merge's rank, lowest first
    uint32_t left = 0;  // position of the left symbol; the tie-breaker
    uint32_t right = 0;
    int32_t result = 0;
    uint32_t bytes = 0;  // of both symbols when it was queued: they differ later if the candidate is stale
  };

  WordCache cache;
  std::vector<int32_t> symbols;
  std::vector<uint32_t> previous;
  std::vector<uint32_t> next;
  std::vector<uint32_t> lengths;
  std::vector<Candidate> heap;
  std::string dropped;  // the first character or byte that has no token at all, not even an unknown one
};

class TokenModel {
 public:
  TokenModel() = default;
  TokenModel(const TokenModel&) = delete;
  TokenModel& operator=(const TokenModel&) = delete;
  virtual ~TokenModel() = default;

  // Appends the ids of each word of `text` to `out`. Errors: a character that the vocabulary cannot express, where it
  // has no unknown token.
  virtual Status encode(std::string_view text, std::span<const TextSpan> words, EncodeScratch& scratch,
                        std::vector<int32_t>& out) const = 0;
};

}  // namespace linnet
