// Scaled dot-product attention over keys that lie in blocks, with an online softmax (Milakov & Gimelshein 2018,
// arXiv:1805.02867; flash attention, arXiv:2205.14135).
//
// A sequence's keys are cut at fixed positions, every kBlockTokens, whether they come from a cache or from the batch
// itself; a row's result merges the blocks that it sees in order. So it has the same bits in a prefill, token by token,
// and beside any other rows.
#pragma once

#include <span>
#include <vector>

#include "ops/context.hpp"

namespace linnet {

inline constexpr int64_t kBlockTokens = 64;

struct AttentionParams {
  float scale = 1.0f;    // on q·k, usually 1 / sqrt(D)
  float softcap = 0.0f;  // cap * tanh(s / cap) on scores; 0 for none
  int64_t window = 0;    // a row sees itself and window - 1 rows before it; 0 for all
  bool causal = true;
  Tensor sinks = {};  // (H) scores that take part in the softmax but carry no value (gpt-oss); or undefined
};

// Rows [row_begin, row_begin + rows) of q, which are the tokens at positions [position, position + rows) of one
// sequence, and the sequence's keys and values for positions [0, keys): block b holds positions from b * kBlockTokens,
// as numbers of `dtype` (F32 or F16).
struct AttentionSpan {
  int64_t row_begin = 0;
  int64_t rows = 0;
  int64_t position = 0;
  int64_t keys = 0;
  DType dtype = DType::kF32;
  // Layout of a block. By position: keys and values (kBlockTokens, K, D), of which the last block may be cut short.
  // By head, which kernels read fastest: keys (K, D, kBlockTokens), values (K, kBlockTokens, D), always whole.
  bool by_head = false;
  std::vector<const std::byte*> key_blocks;
  std::vector<const std::byte*> value_blocks;
};

struct AttentionShape {
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // K, divides H
  int64_t head_dim = 0;  // D
};

// Computes the H / K heads of key/value head `kv_head` for rows [begin, end) of one span: q and out are (N, H, D).
using AttentionKernel = void (*)(const float* q, const AttentionSpan& span, const AttentionShape& shape,
                                 const AttentionParams& params, int64_t kv_head, int64_t begin, int64_t end,
                                 float* out);

namespace ops {

// Contiguous rows of one sequence inside a batch.
struct Segment {
  int64_t row_begin = 0;
  int64_t rows = 0;
};

// Keys and values from the batch itself; every segment sees only itself, its first row at position 0.
// q: (N, H, D), k, v: (N, K, D) -> (N, H, D). Differentiable in q, k, v and sinks.
Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, std::span<const Segment> segments,
                 const AttentionParams& params);

// Keys and values from elsewhere (a cache). Not differentiable.
Tensor attention_over(Context& ctx, const Tensor& q, int64_t kv_heads, std::span<const AttentionSpan> spans,
                      const AttentionParams& params);

// First key that a row at `position` sees.
int64_t first_visible_key(const AttentionParams& params, int64_t position);

}  // namespace ops
}  // namespace linnet
