// Pieces and ids, both ways.
//
// The pieces lie one after the other in one string; the way from piece to id is an open-addressing table of 16-byte
// slots that hold pieces of up to 8 bytes themselves, so that most words of a text cost one cache line.
// Thread safety: const methods may be called from any thread. Ownership: copies every piece.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet {

inline constexpr int32_t kNoToken = -1;

// What a token is for; the values are GGUF's tokenizer.ggml.token_type.
enum class TokenKind : uint8_t {
  kAbsent = 0,  // a hole in the ids
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // special: steers the model, is no text
  kUserDefined = 4,  // found in the text before anything else
  kUnused = 5,
  kByte = 6,  // "<0x0A>"
};

// Two secrets of this process: whoever writes a vocabulary cannot make its keys collide.
struct HashSecret {
  uint64_t add = 0;
  uint64_t multiply = 0;
  static const HashSecret& get();
};

// The 128-bit product of two words, folded (the mixer of wyhash).
inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// The first 8 bytes of `text`, little end first, padded with zeros.
inline uint64_t pack_bytes(std::string_view text) {
  uint64_t word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size() < 8 ? text.size() : 8);
  return word;
}

// From byte strings to non-negative numbers. Keys are borrowed: whoever fills the map keeps them alive and in place.
class PieceMap {
 public:
  // Makes room for `count` keys without rehashing.
  void reserve(size_t count);

  // False when `key` is already there (its value stays).
  bool insert(std::string_view key, int32_t value);

  // The value of `key`, or kNoToken.
  int32_t find(std::string_view key) const {
    return key.size() <= 8 ? find_short(pack_bytes(key), static_cast<uint32_t>(key.size())) : find_long(key);
  }

  // The same for a key of `length` <= 8 bytes, already packed.
  int32_t find_short(uint64_t packed, uint32_t length) const {
    if (slots_.empty()) return kNoToken;
    for (size_t at = start_of(packed, length);; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.value == kNoToken) return kNoToken;
      if (slot.key == packed && slot.length == length) return slot.value;
    }
  }

  size_t size() const { return count_; }

 private:
  struct Slot {
    uint64_t key = 0;  // the bytes themselves up to 8, their hash beyond
    int32_t value = kNoToken;
    uint32_t length = 0;
  };

  size_t start_of(uint64_t key, uint32_t length) const {
    return (length <= 8 ? fold_multiply((key + length) ^ secret_.add, secret_.multiply) : key) & mask_;
  }
  int32_t find_long(std::string_view key) const;
  uint64_t hash_long(std::string_view text) const;
  void grow(size_t slots);

  std::vector<Slot> slots_;
  std::vector<const char*> long_keys_;  // by slot; used where length > 8
  size_t mask_ = 0;
  size_t count_ = 0;
  HashSecret secret_ = HashSecret::get();
};

struct VocabularyEntry {
  std::string piece;
  int64_t id = 0;
  TokenKind kind = TokenKind::kNormal;
};

// Every token of a tokenizer: its spelling, kind and score.
class Vocabulary {
 public:
  // Errors: an id below 0 or far beyond the number of tokens, two pieces with one id, one piece with two ids, a piece
  // of more than kMaxPieceBytes. `place` is the file.
  static Result<Vocabulary> build(const std::vector<VocabularyEntry>& entries, std::string_view place);

  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  // One more than the largest id.
  int32_t size() const { return static_cast<int32_t>(kinds_.size()); }
  bool contains(int64_t id) const {
    return id >= 0 && id < size() && kinds_[static_cast<size_t>(id)] != TokenKind::kAbsent;
  }
  // Requires 0 <= id < size(). Empty for a hole.
  std::string_view piece(int32_t id) const {
    const auto i = static_cast<size_t>(id);
    return std::string_view(arena_.data() + starts_[i], starts_[i + 1] - starts_[i]);
  }
  TokenKind kind(int32_t id) const { return kinds_[static_cast<size_t>(id)]; }
  void set_kind(int32_t id, TokenKind kind) { kinds_[static_cast<size_t>(id)] = kind; }
  int32_t find(std::string_view piece) const { return by_piece_.find(piece); }

  static constexpr size_t kMaxPieceBytes = 1 << 16;

 private:
  std::vector<char> arena_;  // a vector, so that moving keeps the bytes where by_piece_ points
  std::vector<size_t> starts_;
  std::vector<TokenKind> kinds_;
  PieceMap by_piece_;
};

}  // namespace linnet
