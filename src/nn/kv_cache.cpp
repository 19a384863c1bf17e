#include "nn/kv_cache.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/system.hpp"

namespace linnet {

KvCache::SequenceId KvCache::add_sequence() {
  const auto free = std::find_if(sequences_.begin(), sequences_.end(), [](const Sequence& s) { return !s.live; });
  const auto id = static_cast<SequenceId>(free - sequences_.begin());
  if (free == sequences_.end()) sequences_.emplace_back();
  sequences_[static_cast<size_t>(id)].live = true;
  return id;
}

const KvCache::Sequence& KvCache::sequence(SequenceId id) const {
  CHECK(id >= 0 && static_cast<size_t>(id) < sequences_.size() && sequences_[static_cast<size_t>(id)].live);
  return sequences_[static_cast<size_t>(id)];
}

KvCache::Sequence& KvCache::sequence(SequenceId id) {
  return const_cast<Sequence&>(std::as_const(*this).sequence(id));
}

void KvCache::remove_sequence(SequenceId id) {
  truncate(id, 0);
  sequence(id).live = false;
}

int64_t KvCache::length(SequenceId id) const {
  return sequence(id).length;
}

void KvCache::truncate(SequenceId id, int64_t length) {
  Sequence& s = sequence(id);
  CHECK(length >= 0 && length <= s.length);
  s.length = length;
  const auto keep = static_cast<size_t>((length + kBlockTokens - 1) / kBlockTokens);
  while (s.blocks.size() > keep) {
    free_.push_back(std::move(s.blocks.back()));
    s.blocks.pop_back();
  }
}

Status KvCache::reserve(SequenceId id, int64_t rows) {
  Sequence& s = sequence(id);
  const auto needed = static_cast<size_t>((s.length + rows + kBlockTokens - 1) / kBlockTokens);
  while (s.blocks.size() < needed) {
    if (!free_.empty()) {
      s.blocks.push_back(std::move(free_.back()));
      free_.pop_back();
      continue;
    }
    const int64_t wanted = (blocks_held_ + 1) * shape_.block_bytes();
    if (wanted > max_bytes_) {
      return Error{ErrorCode::kOutOfMemory,
                   "the KV cache would take " + format_bytes(static_cast<uint64_t>(wanted)) + " but may take " +
                       format_bytes(static_cast<uint64_t>(max_bytes_)),
                   {},
                   "use a shorter context"};
    }
    s.blocks.push_back(std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(shape_.block_bytes())));
    ++blocks_held_;
  }
  return ok_status();
}

std::byte* KvCache::keys(const Block& block, int64_t layer) const {
  return block.get() + layer * (shape_.block_bytes() / shape_.layers);
}

std::byte* KvCache::values(const Block& block, int64_t layer) const {
  return keys(block, layer) + shape_.block_bytes() / shape_.layers / 2;
}

namespace {

void put(float number, float& to) {
  to = number;
}
void put(float number, Half& to) {
  to = to_half(number);
}

// Rows [0, rows) of from (rows, K, D) into one block, from position `at` on: keys (K, D, kBlockTokens), each
// dimension's positions side by side, and values (K, kBlockTokens, D).
template <class T>
void put_keys(const float* from, int64_t rows, int64_t at, const KvShape& shape, std::byte* to) {
  const int64_t numbers = shape.kv_heads * shape.head_dim;
  for (int64_t i = 0; i < numbers; ++i) {
    T* positions = reinterpret_cast<T*>(to) + i * kBlockTokens + at;
    for (int64_t r = 0; r < rows; ++r) put(from[r * numbers + i], positions[r]);
  }
}
template <class T>
void put_values(const float* from, int64_t rows, int64_t at, const KvShape& shape, std::byte* to) {
  const int64_t dim = shape.head_dim;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < shape.kv_heads; ++h) {
      T* row = reinterpret_cast<T*>(to) + (h * kBlockTokens + at + r) * dim;
      for (int64_t d = 0; d < dim; ++d) put(from[(r * shape.kv_heads + h) * dim + d], row[d]);
    }
  }
}

}  // namespace

void KvCache::store(SequenceId id, int64_t layer, const Tensor& k, const Tensor& v, int64_t row_begin, int64_t rows) {
  const Sequence& s = sequence(id);
  const int64_t numbers = shape_.kv_heads * shape_.head_dim;
  CHECK(static_cast<int64_t>(s.blocks.size()) * kBlockTokens >= s.length + rows);
  for (int64_t done = 0; done < rows;) {
    const int64_t position = s.length + done;
    const int64_t at = position % kBlockTokens;
    const int64_t count = std::min(rows - done, kBlockTokens - at);
    const Block& block = s.blocks[static_cast<size_t>(position / kBlockTokens)];
    const float* key = k.data<float>() + (row_begin + done) * numbers;
    const float* value = v.data<float>() + (row_begin + done) * numbers;
    if (shape_.dtype == DType::kF32) {
      put_keys<float>(key, count, at, shape_, keys(block, layer));
      put_values<float>(value, count, at, shape_, values(block, layer));
    } else {
      put_keys<Half>(key, count, at, shape_, keys(block, layer));
      put_values<Half>(value, count, at, shape_, values(block, layer));
    }
    done += count;
  }
}

void KvCache::commit(SequenceId id, int64_t rows) {
  sequence(id).length += rows;
}

AttentionSpan KvCache::span(SequenceId id, int64_t layer, int64_t row_begin, int64_t rows) const {
  const Sequence& s = sequence(id);
  AttentionSpan span;
  span.row_begin = row_begin;
  span.rows = rows;
  span.position = s.length;
  span.keys = s.length + rows;
  span.dtype = shape_.dtype;
  span.by_head = true;
  span.key_blocks.reserve(s.blocks.size());
  span.value_blocks.reserve(s.blocks.size());
  for (const Block& block : s.blocks) {
    span.key_blocks.push_back(keys(block, layer));
    span.value_blocks.push_back(values(block, layer));
  }
  return span;
}

}  // namespace linnet
