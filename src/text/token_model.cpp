#include "text/token_model.hpp"

#include <cstring>

#include "text/vocabulary.hpp"

namespace linnet {

std::pair<bool, WordCache::Entry*> WordCache::at(std::string_view word) {
  uint64_t words[3] = {};
  std::memcpy(words, word.data(), word.size());
  const HashSecret& secret = HashSecret::get();
  const uint64_t hash = fold_multiply(words[0] ^ secret.add, words[1] ^ secret.multiply) ^
                        fold_multiply(words[2] ^ secret.multiply, word.size() ^ secret.add);
  Entry& entry = entries_[hash & (kEntries - 1)];
  if (entry.length == word.size() && std::memcmp(entry.words, words, sizeof words) == 0) return {true, &entry};
  std::memcpy(entry.words, words, sizeof words);
  entry.length = static_cast<uint32_t>(word.size());
  entry.count = 0;
  return {false, &entry};
}

}  // namespace linnet
