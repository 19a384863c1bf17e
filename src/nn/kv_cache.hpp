// Keys and values of many sequences, in blocks of kBlockTokens positions, so that sequences grow without moving and a
// scheduler can be put above it (Kwon et al. 2023, arXiv:2309.06180).
//
// Ownership: owns its memory, taken block by block. Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "ops/attention.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {

struct KvShape {
  int64_t layers = 0;         // L
  int64_t kv_heads = 0;       // K
  int64_t head_dim = 0;       // D
  DType dtype = DType::kF16;  // F16, F32, I8, or BF16 or I16 where kernels have it

  // Bytes of a position's keys of one layer, or of its values: integers with a scale for each head.
  int64_t row_bytes() const {
    const bool integers = dtype == DType::kI8 || dtype == DType::kI16;
    const int64_t scale = integers ? static_cast<int64_t>(sizeof(float)) : 0;
    return kv_heads * (head_dim * dtype_bytes(dtype) + scale);
  }
  // Bytes of one block, all layers, keys and values.
  int64_t block_bytes() const { return layers * 2 * kBlockTokens * row_bytes(); }
  // Bytes that `tokens` positions of one sequence take.
  int64_t bytes_for(int64_t tokens) const { return (tokens + kBlockTokens - 1) / kBlockTokens * block_bytes(); }
};

class KvCache {
 public:
  using SequenceId = int32_t;

  // `max_bytes` bounds all sequences together.
  KvCache(const KvShape& shape, int64_t max_bytes) : shape_(shape), max_bytes_(max_bytes) {}

  SequenceId add_sequence();
  // A new sequence that begins with the first `length` positions of `id`. Blocks are shared until one of the two writes
  // into them, so it costs nothing now and at most one block at the next reserve().
  SequenceId branch(SequenceId id, int64_t length);
  void remove_sequence(SequenceId id);
  int64_t length(SequenceId id) const;
  // Forgets positions from `length` on.
  void truncate(SequenceId id, int64_t length);

  // Makes room for `rows` more positions, in blocks that no other sequence reads. Error kOutOfMemory with both sizes
  // when max_bytes would be passed.
  Status reserve(SequenceId id, int64_t rows);
  // The next `rows` positions of a sequence, whose keys and values are rows from row_begin on, block by block: those of
  // different blocks may be stored at the same time. Requires reserve() before.
  struct BlockRows {
    SequenceId id;
    int64_t position;
    int64_t row_begin;
    int64_t count;
  };
  std::vector<BlockRows> next_rows(SequenceId id, int64_t row_begin, int64_t rows) const;
  // Stores k, v: rows of (N, K, D), for one layer. The length grows by commit() once every layer is stored.
  void store(const KernelTable& kernels, int64_t layer, const Tensor& k, const Tensor& v, const BlockRows& rows);
  void commit(SequenceId id, int64_t rows);

  // What attention reads: positions [0, length + rows) of one layer, for rows that follow the committed ones. Good
  // until the sequence's blocks change.
  AttentionSpan span(SequenceId id, int64_t layer, int64_t row_begin, int64_t rows) const;

  const KvShape& shape() const { return shape_; }
  int64_t max_bytes() const { return max_bytes_; }
  int64_t bytes() const { return blocks_held_ * shape_.block_bytes(); }

 private:
  using Block = std::shared_ptr<std::byte>;
  struct Sequence {
    std::vector<Block> blocks;
    std::vector<const std::byte*> begins;  // of the blocks
    int64_t length = 0;
    bool live = false;

    void take(Block block) {
      begins.push_back(block.get());
      blocks.push_back(std::move(block));
    }
  };

  const Sequence& sequence(SequenceId id) const;
  Sequence& sequence(SequenceId id);
  Result<Block> take_block();
  // Bytes into a block.
  int64_t keys_at(int64_t layer) const { return layer * (shape_.block_bytes() / shape_.layers); }
  int64_t values_at(int64_t layer) const { return keys_at(layer) + shape_.block_bytes() / shape_.layers / 2; }

  KvShape shape_;
  int64_t max_bytes_;
  int64_t blocks_held_ = 0;
  std::vector<Sequence> sequences_;
  std::vector<Block> free_;
};

}  // namespace linnet
