// One step's rows: tokens of one or many sequences, each sequence's rows contiguous.
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/kv_cache.hpp"
#include "ops/dropout.hpp"

namespace linnet {

struct BatchSequence {
  int64_t row_begin = 0;
  int64_t rows = 0;
  int64_t position = 0;              // of its first row; with a cache, the sequence's length there
  KvCache::SequenceId cache_id = 0;  // where there is a cache
  int64_t total_length = 0;          // tokens that the sequence is known to have, for stretched rotary embeddings;
                                     // 0: position + rows
};

struct Batch {
  std::vector<int32_t> tokens;           // N
  std::vector<BatchSequence> sequences;  // cover all rows, in order
  std::vector<int32_t> logit_rows;       // rows whose logits are wanted
  DropoutMask dropout = {};              // of training; `place` is the model's to choose

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

// A whole sequence, every row's logits wanted.
Batch whole_sequence(std::vector<int32_t> tokens);

struct ForwardOutput {
  Tensor logits;               // (R, V), R = logit_rows; undefined for encoders
  Tensor last_hidden;          // (N, C), after the final norm
  std::vector<Tensor> hidden;  // (N, C) each: the residual stream entering each layer, when asked for
};

}  // namespace linnet
