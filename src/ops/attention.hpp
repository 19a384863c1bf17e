// Scaled dot-product attention over keys that lie in blocks, with an online softmax (Milakov & Gimelshein 2018,
// arXiv:1805.02867; flash attention, arXiv:2205.14135).
//
// A sequence's keys are cut at fixed positions, every kBlockTokens and every kPartTokens, whether they come from a
// cache or from the batch itself; a row's result merges the blocks of a part, and then the parts, that it sees in
// order. So it has the same bits in a prefill, token by token, beside any other rows, and on any number of threads.
#pragma once

#include <span>
#include <vector>

#include "ops/context.hpp"
#include "ops/dropout.hpp"

namespace linnet {

inline constexpr int64_t kBlockTokens = 64;
// Keys that are summed before they are joined to those before them, so that threads can share a long sequence.
inline constexpr int64_t kPartTokens = 512;

struct AttentionParams {
  float scale = 1.0f;    // on q·k, usually 1 / sqrt(D)
  float softcap = 0.0f;  // cap * tanh(s / cap) on scores; 0 for none
  int64_t window = 0;    // a row sees itself and window - 1 rows before it; 0 for all
  bool causal = true;
  Tensor sinks = {};         // (H) scores that take part in the softmax but carry no value (gpt-oss); or undefined
  Tensor bias = {};          // ops::bias_by_head: added to the scaled scores, before the cap; or undefined
  DropoutMask dropout = {};  // of the weights, after the softmax; ops::attention alone
};

// Rows [row_begin, row_begin + rows) of q, which are the tokens at positions [position, position + rows) of one
// sequence, and the sequence's keys and values for positions [0, keys): block b holds positions from b * kBlockTokens,
// as numbers of `dtype` (F32, F16, BF16, I8 or I16).
struct AttentionSpan {
  int64_t row_begin = 0;
  int64_t rows = 0;
  int64_t position = 0;
  int64_t keys = 0;
  DType dtype = DType::kF32;
  // Layout of a block. By position: keys and values (kBlockTokens, K, D), of which the last block may be cut short.
  // By head, which kernels read fastest: keys (K, D, kBlockTokens), values (K, kBlockTokens, D), always whole. BF16,
  // which is by head and needs a D that 16 divides: keys (K, D / 2, kBlockTokens, 2), values (K, kBlockTokens / 2, D,
  // 2). I8 is by head, and behind the keys and behind the values come their scales (K, kBlockTokens), float32: a number
  // is its integer times the scale of its head and position. I16 has its numbers where BF16 has them, and scales as I8.
  bool by_head = false;
  // Where each block begins, and how many bytes into it keys and values of this layer lie.
  std::span<const std::byte* const> key_blocks = {};
  std::span<const std::byte* const> value_blocks = {};
  int64_t keys_at = 0;
  int64_t values_at = 0;
};

struct AttentionShape {
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // K, divides H
  int64_t head_dim = 0;  // D
};

// The H / K heads of key/value head `kv_head` for rows [begin, end) of one span.
struct AttentionUnit {
  const AttentionSpan* span = nullptr;
  int64_t kv_head = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

struct AttentionKernels {
  // Computes one unit; q and out are (N, H, D).
  void (*whole)(const float* q, const AttentionUnit& unit, const AttentionShape& shape, const AttentionParams& params,
                float* out);
  // The same in two steps, and to the same bits: what part `part` of the keys leaves, then all parts joined. Null where
  // only `whole` is there. states: (parts, queries, state_floats(D)), with a query for each row and head.
  void (*part)(const float* q, const AttentionUnit& unit, const AttentionShape& shape, const AttentionParams& params,
               int64_t part, float* states);
  void (*join)(const float* states, int64_t parts, const AttentionUnit& unit, const AttentionShape& shape,
               const AttentionParams& params, float* out);
  int64_t (*state_floats)(int64_t head_dim);
  // n numbers as F16; pairs of BF16, from n low and n high numbers. To nearest, ties to even. Null where the
  // instruction set has no such conversion, and without to_pairs no kernel for a cache of BF16.
  void (*to_half)(const float* x, int64_t n, uint16_t* out);
  void (*to_pairs)(const float* low, const float* high, int64_t n, uint32_t* out);
  // A head's n numbers of one position, a multiple of 16, as I16, and their scale: of a key by_norm. NaN where one is
  // not finite (or beyond 1e18). Null where there is no kernel for a cache of I16.
  float (*to_words)(const float* x, int64_t n, bool by_norm, int16_t* out);
};

namespace ops {

// Contiguous rows of one sequence inside a batch.
struct Segment {
  int64_t row_begin = 0;
  int64_t rows = 0;
};

// Keys and values from the batch itself; every segment sees only itself, its first row at position 0.
// q: (N, H, D), k, v: (N, K, D) -> (N, H, D). Differentiable in q, k, v, sinks and bias.
Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, std::span<const Segment> segments,
                 const AttentionParams& params);

// Keys and values from elsewhere (a cache). Not differentiable.
Tensor attention_over(Context& ctx, const Tensor& q, int64_t kv_heads, std::span<const AttentionSpan> spans,
                      const AttentionParams& params);

// First key that a row at `position` sees.
int64_t first_visible_key(const AttentionParams& params, int64_t position);

// by_offset: (2 R - 1, H), the bias of each head for keys at offsets 1 - R to R - 1 from their row, as
// AttentionParams::bias holds it: (H, 2 R - 2 + kBlockTokens), filled up with zeros, so that a block of keys can be
// read from any column. R: no fewer than the keys of any sequence. Differentiable.
Tensor bias_by_head(Context& ctx, const Tensor& by_offset);

// Where a bias lies for the key at position 0, head `head` and the row at `position`; later keys follow.
const float* bias_of(const Tensor& bias, int64_t head, int64_t position);

}  // namespace ops
}  // namespace linnet
