#include "engine/shared_beginning.hpp"

#include <algorithm>

#include "engine/session.hpp"

namespace linnet {

Status SharedBeginning::read(std::span<const int32_t> tokens, int64_t total_length, const CancelToken& cancel) {
  const int now = regime_of(model_.config(), total_length);
  const size_t kept = now == regime_ ? common_length(tokens_, tokens) : 0;
  regime_ = now;
  cache_.truncate(id_, static_cast<int64_t>(kept));
  tokens_.resize(kept);
  while (tokens_.size() < tokens.size()) {
    TRY(cancel.check());
    const size_t begin = tokens_.size();
    const size_t end = std::min(begin + static_cast<size_t>(kPrefillRows), tokens.size());
    Batch batch;
    batch.tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                        tokens.begin() + static_cast<std::ptrdiff_t>(end));
    batch.sequences.push_back({.row_begin = 0,
                               .rows = batch.rows(),
                               .position = static_cast<int64_t>(begin),
                               .cache_id = id_,
                               .total_length = total_length});
    TRY(model_.forward(ctx_, batch, &cache_));
    tokens_.insert(tokens_.end(), batch.tokens.begin(), batch.tokens.end());
  }
  return ok_status();
}

void Branches::remove(KvCache::SequenceId id) {
  cache_.remove_sequence(id);
  std::erase(ids_, id);
}

void Branches::clear() {
  for (const KvCache::SequenceId id : ids_) cache_.remove_sequence(id);
  ids_.clear();
}

}  // namespace linnet
