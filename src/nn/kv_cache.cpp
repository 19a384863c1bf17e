#include "nn/kv_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.hpp"
#include "base/large_memory.hpp"
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

KvCache::SequenceId KvCache::branch(SequenceId id, int64_t length) {
  CHECK(length >= 0 && length <= sequence(id).length);
  const SequenceId made = add_sequence();
  const Sequence& from = sequence(id);
  Sequence& to = sequence(made);
  const auto blocks = static_cast<size_t>((length + kBlockTokens - 1) / kBlockTokens);
  for (size_t i = 0; i < blocks; ++i) to.take(from.blocks[i]);
  to.length = length;
  return made;
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
    if (s.blocks.back().use_count() == 1) free_.push_back(std::move(s.blocks.back()));
    s.blocks.pop_back();
    s.begins.pop_back();
  }
}

Result<KvCache::Block> KvCache::take_block() {
  if (!free_.empty()) {
    Block block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  const int64_t wanted = (blocks_held_ + 1) * shape_.block_bytes();
  if (wanted > max_bytes_) {
    return out_of_memory("the KV cache would take " + format_bytes(static_cast<uint64_t>(wanted)) + " but may take " +
                             format_bytes(static_cast<uint64_t>(max_bytes_)),
                         "use a shorter context");
  }
  // A count of its own: large memory is cut into pieces that share one.
  std::shared_ptr<std::byte> memory = allocate_large(shape_.block_bytes());
  std::byte* begin = memory.get();
  ++blocks_held_;
  return Block(begin, [memory = std::move(memory)](std::byte*) {});
}

Status KvCache::reserve(SequenceId id, int64_t rows) {
  Sequence& s = sequence(id);
  const auto last = static_cast<size_t>(s.length / kBlockTokens);
  const bool writes_into_last = rows > 0 && s.length % kBlockTokens != 0;
  if (writes_into_last && s.blocks[last].use_count() > 1) {
    TRY_ASSIGN(Block own, take_block());
    std::memcpy(own.get(), s.blocks[last].get(), static_cast<size_t>(shape_.block_bytes()));
    s.begins[last] = own.get();
    s.blocks[last] = std::move(own);
  }
  const auto needed = static_cast<size_t>((s.length + rows + kBlockTokens - 1) / kBlockTokens);
  while (s.blocks.size() < needed) {
    TRY_ASSIGN(Block block, take_block());
    s.take(std::move(block));
  }
  return ok_status();
}

namespace {

// n numbers in the cache's type.
void narrow(const KernelTable& /*kernels*/, const float* from, int64_t n, float* to) {
  std::copy_n(from, n, to);
}
void narrow(const KernelTable& kernels, const float* from, int64_t n, Half* to) {
  if (kernels.attention.to_half) {
    kernels.attention.to_half(from, n, &to->bits);
  } else {
    std::transform(from, from + n, to, to_half);
  }
}

// Rows [0, rows) of k and v (rows, K, D) into one block, from position `at` on: keys (K, D, kBlockTokens), each
// dimension's positions side by side, and values (K, kBlockTokens, D).
template <class T>
void put(const KernelTable& kernels, const float* k, const float* v, int64_t rows, int64_t at, const KvShape& shape,
         std::byte* keys, std::byte* values) {
  const int64_t dim = shape.head_dim;
  const int64_t numbers = shape.kv_heads * dim;
  std::vector<T> narrowed(static_cast<size_t>(rows * numbers));
  narrow(kernels, k, rows * numbers, narrowed.data());
  for (int64_t i = 0; i < numbers; ++i) {
    T* positions = reinterpret_cast<T*>(keys) + i * kBlockTokens + at;
    for (int64_t r = 0; r < rows; ++r) positions[r] = narrowed[static_cast<size_t>(r * numbers + i)];
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < shape.kv_heads; ++h) {
      narrow(kernels, v + r * numbers + h * dim, dim, reinterpret_cast<T*>(values) + (h * kBlockTokens + at + r) * dim);
    }
  }
}

// The same as pairs of BF16: keys (K, D / 2, kBlockTokens, 2), values (K, kBlockTokens / 2, D, 2).
void put_pairs(const KernelTable& kernels, const float* k, const float* v, int64_t rows, int64_t at,
               const KvShape& shape, std::byte* keys, std::byte* values) {
  const int64_t dim = shape.head_dim;
  const int64_t numbers = shape.kv_heads * dim;
  const auto to_pairs = kernels.attention.to_pairs;
  CHECK(to_pairs != nullptr && dim % 2 == 0);
  std::vector<uint32_t> narrowed(static_cast<size_t>(rows * numbers));
  to_pairs(k, k, rows * numbers, narrowed.data());  // each number twice: its half is taken below
  for (int64_t i = 0; i < numbers; i += 2) {
    uint32_t* positions = reinterpret_cast<uint32_t*>(keys) + i / 2 * kBlockTokens + at;
    for (int64_t r = 0; r < rows; ++r) {
      const uint32_t* pair = narrowed.data() + r * numbers + i;
      positions[r] = (pair[0] & 0xFFFF) | (pair[1] & 0xFFFF0000);
    }
  }
  for (int64_t r = 0; r < rows;) {
    const int64_t position = at + r;
    const bool low = position % 2 == 0;
    const bool both = low && r + 1 < rows;
    for (int64_t h = 0; h < shape.kv_heads; ++h) {
      uint32_t* pairs = reinterpret_cast<uint32_t*>(values) + (h * kBlockTokens / 2 + position / 2) * dim;
      const float* from = v + r * numbers + h * dim;
      if (both) {
        to_pairs(from, from + numbers, dim, pairs);
        continue;
      }
      to_pairs(from, from, dim, narrowed.data());
      const uint32_t mine = low ? 0x0000FFFF : 0xFFFF0000;
      for (int64_t d = 0; d < dim; ++d) pairs[d] = (pairs[d] & ~mine) | (narrowed[static_cast<size_t>(d)] & mine);
    }
    r += both ? 2 : 1;
  }
}

// The same in eight bits: a scale for each head and position, 1/127 of the largest magnitude there, behind all numbers.
void put_integers(const KernelTable& /*kernels*/, const float* k, const float* v, int64_t rows, int64_t at,
                  const KvShape& shape, std::byte* keys, std::byte* values) {
  constexpr float kMost = 127;
  constexpr float kLeast = 1e-30f;  // below it, 127 over it may be infinite
  const int64_t dim = shape.head_dim;
  const int64_t numbers = shape.kv_heads * dim;
  const auto narrow_head = [&](const float* from, std::byte* block, int64_t h, int64_t position, int64_t first,
                               int64_t stride) {
    float most = 0;
    float all = 0;
    for (int64_t d = 0; d < dim; ++d) {
      most = std::max(most, std::fabs(from[d]));
      all += from[d];
    }
    // What is not finite stays so, by its scale: integers have no such numbers.
    const bool finite = std::isfinite(all) && std::isfinite(most);
    const bool nothing = !finite || most < kLeast;
    const float scale = finite ? most / kMost : std::numeric_limits<float>::quiet_NaN();
    reinterpret_cast<float*>(block + numbers * kBlockTokens)[h * kBlockTokens + position] = scale;
    const float inverse = nothing ? 0 : kMost / most;
    auto* to = reinterpret_cast<int8_t*>(block) + first;
    for (int64_t d = 0; d < dim; ++d) {
      to[d * stride] = nothing ? 0 : static_cast<int8_t>(std::nearbyint(from[d] * inverse));
    }
  };
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < shape.kv_heads; ++h) {
      const int64_t from = r * numbers + h * dim;
      const int64_t head = h * dim * kBlockTokens;
      narrow_head(k + from, keys, h, at + r, head + at + r, kBlockTokens);
      narrow_head(v + from, values, h, at + r, head + (at + r) * dim, 1);
    }
  }
}

// The same in sixteen bits, in the places of BF16, with scales like those of eight bits.
void put_words(const KernelTable& kernels, const float* k, const float* v, int64_t rows, int64_t at,
               const KvShape& shape, std::byte* keys, std::byte* values) {
  const int64_t dim = shape.head_dim;
  const int64_t pairs = shape.kv_heads * dim / 2;  // of a row
  const auto to_words = kernels.attention.to_words;
  CHECK(to_words != nullptr && dim % 16 == 0);
  std::vector<uint32_t> narrowed(static_cast<size_t>(rows * pairs));  // two words each
  const auto narrow_heads = [&](const float* from, bool by_norm, std::byte* block) {
    auto* scales = reinterpret_cast<float*>(block + pairs * kBlockTokens * static_cast<int64_t>(sizeof(uint32_t)));
    auto* words = reinterpret_cast<int16_t*>(narrowed.data());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t h = 0; h < shape.kv_heads; ++h) {
        const int64_t head = (r * shape.kv_heads + h) * dim;
        scales[h * kBlockTokens + at + r] = to_words(from + head, dim, by_norm, words + head);
      }
    }
  };
  narrow_heads(k, true, keys);
  for (int64_t i = 0; i < pairs; ++i) {
    uint32_t* positions = reinterpret_cast<uint32_t*>(keys) + i * kBlockTokens + at;
    for (int64_t r = 0; r < rows; ++r) positions[r] = narrowed[static_cast<size_t>(r * pairs + i)];
  }
  narrow_heads(v, false, values);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < shape.kv_heads; ++h) {
      const auto* words = reinterpret_cast<const int16_t*>(narrowed.data()) + (r * shape.kv_heads + h) * dim;
      const int64_t first = (h * kBlockTokens + (at + r) / 2 * 2) * dim + (at + r) % 2;
      int16_t* to = reinterpret_cast<int16_t*>(values) + first;
      for (int64_t d = 0; d < dim; ++d) to[2 * d] = words[d];
    }
  }
}

auto put_as(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return put<float>;
    case DType::kF16:
      return put<Half>;
    case DType::kI8:
      return put_integers;
    case DType::kI16:
      return put_words;
    default:
      return put_pairs;
  }
}

}  // namespace

std::vector<KvCache::BlockRows> KvCache::next_rows(SequenceId id, int64_t row_begin, int64_t rows) const {
  const Sequence& s = sequence(id);
  CHECK(static_cast<int64_t>(s.blocks.size()) * kBlockTokens >= s.length + rows);
  std::vector<BlockRows> all;
  for (int64_t done = 0; done < rows;) {
    const int64_t position = s.length + done;
    const int64_t count = std::min(rows - done, kBlockTokens - position % kBlockTokens);
    all.push_back({id, position, row_begin + done, count});
    done += count;
  }
  return all;
}

void KvCache::store(const KernelTable& kernels, int64_t layer, const Tensor& k, const Tensor& v,
                    const BlockRows& rows) {
  const int64_t from = rows.row_begin * shape_.kv_heads * shape_.head_dim;
  std::byte* block = sequence(rows.id).blocks[static_cast<size_t>(rows.position / kBlockTokens)].get();
  put_as(shape_.dtype)(kernels, k.data<float>() + from, v.data<float>() + from, rows.count,
                       rows.position % kBlockTokens, shape_, block + keys_at(layer), block + values_at(layer));
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
  span.key_blocks = s.begins;
  span.value_blocks = s.begins;
  span.keys_at = keys_at(layer);
  span.values_at = values_at(layer);
  return span;
}

}  // namespace linnet
