// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) over bytes (GPT-2) or over characters (Llama and Gemma as
// tokenizer.json spells them): the pair of neighbours with the lowest rank is merged, the leftmost first, until none is
// left.
//
// Words up to 64 symbols are merged in place, longer ones through a heap, O(n log n).
// Thread safety: const methods may be called from any thread (what is learned about a token is stored atomically).
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "text/vocabulary.hpp"
#include "text/word_model.hpp"

namespace linnet {

using MergeList = std::vector<std::pair<std::string, std::string>>;

struct BpeOptions {
  bool byte_level = false;     // words are bytes, pieces are spelled in GPT-2's alphabet
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool byte_fallback = false;  // a character without a token becomes its bytes' "<0x..>" tokens
  bool fuse_unk = false;       // neighbouring unknown characters become one token
  // A merge that is listed twice has its last rank, as in Hugging Face tokenizers, or its first, as in llama.cpp.
  bool last_rank_counts = false;
  int32_t unk = kNoToken;
  std::string continuing_prefix;  // of every symbol but a word's first
  std::string end_suffix;         // of a word's last symbol
};

class BpeModel : public WordModel {
 public:
  // `in_model[id]` says which tokens merging may give (added tokens are not among them). Merges are in order of rank.
  // Errors: a merge whose parts or result are not tokens.
  static Result<std::unique_ptr<BpeModel>> build(const Vocabulary& vocabulary, const std::vector<bool>& in_model,
                                                 const MergeList& merges, BpeOptions options, std::string_view place);

  const BpeOptions& options() const { return options_; }
  // byte_level: those that are tokens.
  std::bitset<256> held_bytes() const;
  // The merges in order of rank, as pairs of ids.
  const std::vector<std::pair<int32_t, int32_t>>& merges() const { return merge_order_; }

 private:
  struct Merge {
    uint32_t rank = 0;
    int32_t result = kNoToken;
  };

  // (left, right) -> merge, open addressing.
  class MergeTable {
   public:
    void reserve(size_t count);
    bool insert(int32_t left, int32_t right, Merge merge);
    const Merge* find(int32_t left, int32_t right) const {
      const uint64_t key = pair_key(left, right);
      for (size_t at = fold_multiply(key ^ secret_.add, secret_.multiply) & mask_;; at = (at + 1) & mask_) {
        if (slots_[at].key == key) return &slots_[at].merge;
        if (slots_[at].key == kEmpty) return nullptr;
      }
    }

   private:
    static constexpr uint64_t kEmpty = ~uint64_t{0};
    struct Slot {
      uint64_t key = kEmpty;
      Merge merge;
    };
    static uint64_t pair_key(int32_t left, int32_t right) {
      return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    }
    std::vector<Slot> slots_;
    size_t mask_ = 0;
    HashSecret secret_ = HashSecret::get();
  };

  BpeModel() = default;
  void index_pieces(const Vocabulary& vocabulary, const std::vector<bool>& in_model);
  void rank_merges(const std::vector<std::array<int32_t, 3>>& merges);
  void find_safe_splits(const Vocabulary& vocabulary);

  void merge_word(std::string_view word, EncodeScratch& scratch, std::vector<int32_t>& out) const override;
  void start_bytes(std::string_view word, EncodeScratch& scratch) const;
  void start_characters(std::string_view word, EncodeScratch& scratch) const;
  void merge_short(std::vector<int32_t>& symbols, std::vector<int32_t>& out) const;
  void merge_long(EncodeScratch& scratch, std::vector<int32_t>& out) const;

  BpeOptions options_;
  std::array<int32_t, 256> byte_tokens_{};  // of each byte: the symbol (byte_level) or its "<0x..>" token
  MergeTable merges_;
  std::vector<std::pair<int32_t, int32_t>> merge_order_;
};

}  // namespace linnet
