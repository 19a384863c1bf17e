#include "text/vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <random>

namespace linnet {

const HashSecret& HashSecret::get() {
  static const HashSecret secret = [] {
    std::random_device device;
    const auto word = [&] { return static_cast<uint64_t>(device()) << 32 | device(); };
    return HashSecret{word(), word() | 1};
  }();
  return secret;
}

uint64_t PieceMap::hash_long(std::string_view text) const {
  uint64_t hash = text.size() ^ secret_.add;
  while (text.size() > 8) {
    hash = fold_multiply(hash ^ pack_bytes(text), secret_.multiply);
    text.remove_prefix(8);
  }
  return fold_multiply(hash ^ pack_bytes(text), secret_.multiply);
}

void PieceMap::reserve(size_t count) {
  const size_t wanted = std::bit_ceil(std::max<size_t>(count * 2, 16));
  if (wanted > slots_.size()) grow(wanted);
}

void PieceMap::grow(size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  const std::vector<const char*> old_keys = std::exchange(long_keys_, std::vector<const char*>(slots, nullptr));
  mask_ = slots - 1;
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i].value == kNoToken) continue;
    size_t at = start_of(old[i].key, old[i].length);
    while (slots_[at].value != kNoToken) at = (at + 1) & mask_;
    slots_[at] = old[i];
    long_keys_[at] = old_keys[i];
  }
}

bool PieceMap::insert(std::string_view key, int32_t value) {
  if ((count_ + 1) * 2 > slots_.size()) reserve(count_ + 1);
  if (find(key) != kNoToken) return false;
  const auto length = static_cast<uint32_t>(key.size());
  const uint64_t word = length <= 8 ? pack_bytes(key) : hash_long(key);
  size_t at = start_of(word, length);
  while (slots_[at].value != kNoToken) at = (at + 1) & mask_;
  slots_[at] = {word, value, length};
  long_keys_[at] = key.data();
  ++count_;
  return true;
}

int32_t PieceMap::find_long(std::string_view key) const {
  if (slots_.empty()) return kNoToken;
  const uint64_t hash = hash_long(key);
  for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
    const Slot& slot = slots_[at];
    if (slot.value == kNoToken) return kNoToken;
    if (slot.key == hash && slot.length == key.size() && std::memcmp(long_keys_[at], key.data(), key.size()) == 0) {
      return slot.value;
    }
  }
}

Result<Vocabulary> Vocabulary::build(const std::vector<VocabularyEntry>& entries, std::string_view place) {
  int64_t largest = -1;
  size_t bytes = 0;
  // Sparse ids are met in the wild, but a table must not cost much more than the file that asks for it.
  const auto limit = static_cast<int64_t>(entries.size() * 4 + (1 << 20));
  for (const VocabularyEntry& entry : entries) {
    if (entry.id < 0 || entry.id >= limit) {
      return invalid(fmt::format("token {:?} has id {}, far beyond the {} tokens that there are", entry.piece, entry.id,
                                 entries.size()),
                     std::string(place));
    }
    if (entry.piece.size() > kMaxPieceBytes) {
      return invalid(fmt::format("token {} has {} bytes, more than {}", entry.id, entry.piece.size(), kMaxPieceBytes),
                     std::string(place));
    }
    largest = std::max(largest, entry.id);
    bytes += entry.piece.size();
  }
  std::vector<const VocabularyEntry*> by_id(static_cast<size_t>(largest + 1), nullptr);
  for (const VocabularyEntry& entry : entries) {
    const VocabularyEntry*& slot = by_id[static_cast<size_t>(entry.id)];
    if (slot) {
      return invalid(fmt::format("tokens {:?} and {:?} share id {}", slot->piece, entry.piece, entry.id),
                     std::string(place));
    }
    slot = &entry;
  }
  Vocabulary made;
  made.arena_.reserve(bytes);
  made.starts_.reserve(by_id.size() + 1);
  made.starts_.push_back(0);
  made.kinds_.reserve(by_id.size());
  made.by_piece_.reserve(entries.size());
  for (const VocabularyEntry* entry : by_id) {
    if (entry) {
      const char* start = made.arena_.data() + made.arena_.size();
      made.arena_.insert(made.arena_.end(), entry->piece.begin(), entry->piece.end());
      const std::string_view kept(start, entry->piece.size());
      if (!made.by_piece_.insert(kept, static_cast<int32_t>(entry->id))) {
        return invalid(
            fmt::format("token {:?} has two ids, {} and {}", entry->piece, made.by_piece_.find(kept), entry->id),
            std::string(place));
      }
    }
    made.starts_.push_back(made.arena_.size());
    made.kinds_.push_back(entry ? entry->kind : TokenKind::kAbsent);
  }
  return made;
}

}  // namespace linnet
