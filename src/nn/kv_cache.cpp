#include "nn/kv_cache.hpp"

#include <algorithm>
#include <cstring>

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

void put_row(const float* from, int64_t n, DType dtype, std::byte* to) {
  if (dtype == DType::kF32) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  auto* halves = reinterpret_cast<Half*>(to);
  for (int64_t i = 0; i < n; ++i) halves[i] = to_half(from[i]);
}

}  // namespace

void KvCache::store(SequenceId id, int64_t layer, const Tensor& k, const Tensor& v, int64_t row_begin, int64_t rows) {
  const Sequence& s = sequence(id);
  const int64_t numbers = shape_.kv_heads * shape_.head_dim;
  const int64_t row_bytes = numbers * dtype_bytes(shape_.dtype);
  CHECK(static_cast<int64_t>(s.blocks.size()) * kBlockTokens >= s.length + rows);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t position = s.length + r;
    const Block& block = s.blocks[static_cast<size_t>(position / kBlockTokens)];
    const int64_t at = position % kBlockTokens * row_bytes;
    put_row(k.data<float>() + (row_begin + r) * numbers, numbers, shape_.dtype, keys(block, layer) + at);
    put_row(v.data<float>() + (row_begin + r) * numbers, numbers, shape_.dtype, values(block, layer) + at);
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
  span.key_blocks.reserve(s.blocks.size());
  span.value_blocks.reserve(s.blocks.size());
  for (const Block& block : s.blocks) {
    span.key_blocks.push_back(keys(block, layer));
    span.value_blocks.push_back(values(block, layer));
  }
  return span;
}

}  // namespace linnet
