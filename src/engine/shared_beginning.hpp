// What many texts begin with, read once and kept in the cache, and the sequences that go on from there.
// Ownership: borrows all. Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cancel.hpp"
#include "models/transformer.hpp"

namespace linnet {

class SharedBeginning {
 public:
  SharedBeginning(const Transformer& model, Context& ctx, KvCache& cache)
      : model_(model), ctx_(ctx), cache_(cache), id_(cache.add_sequence()) {}

  // Holds `tokens` from now on; what it held of them is not read again. total_length: of the texts that go on from it,
  // the longest. Errors: cancelled, no room in the cache.
  Status read(std::span<const int32_t> tokens, int64_t total_length, const CancelToken& cancel);
  KvCache::SequenceId id() const { return id_; }

 private:
  const Transformer& model_;
  Context& ctx_;
  KvCache& cache_;
  KvCache::SequenceId id_;
  std::vector<int32_t> tokens_;
  int regime_ = 0;
};

// Sequences of the cache that end with this object.
class Branches {
 public:
  explicit Branches(KvCache& cache) : cache_(cache) {}
  ~Branches() { clear(); }
  Branches(const Branches&) = delete;
  Branches& operator=(const Branches&) = delete;

  KvCache::SequenceId add(KvCache::SequenceId of, int64_t length) {
    ids_.push_back(cache_.branch(of, length));
    return ids_.back();
  }
  void remove(KvCache::SequenceId id);
  void clear();
  std::span<const KvCache::SequenceId> ids() const { return ids_; }

 private:
  KvCache& cache_;
  std::vector<KvCache::SequenceId> ids_;
};

}  // namespace linnet
