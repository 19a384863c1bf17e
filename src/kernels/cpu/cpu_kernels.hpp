// What each instruction set offers, as plain functions over plain memory: the objects behind them include nothing whose
// inline functions another object might share (see CMakeLists.txt).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/panel.hpp"
#include "ops/norm_call.hpp"
#include "ops/peak_loops.hpp"
#include "ops/rotate_call.hpp"

namespace linnet::kernels {

// What will be read next; fetched meanwhile.
struct Ahead {
  const std::byte* at;
  int64_t bytes;
};

// Products with one quantised format. A panel is described in kernels/panel.hpp. Activations come in one or two terms a
// group, which lie side by side; arrays are indexed by terms - 1.
struct QuantKernels {
  // out: the 16 rows of the panel times one row of activations.
  void (*one_row[kMostTerms])(const std::byte* panel, int64_t groups, const ActGroup* x, float* out);
  // Up to so many rows a panel is cheaper to unpack in registers, once for each tile of rows, than to spread in memory.
  int64_t most_rows_as_packed;
  // out[r * out_stride + 0..15] for n rows r of activations; the second entry of each does two panels, which lie one
  // after the other, and writes 32 numbers a row. Same bits as one_row.
  void (*some_rows[kMostTerms][2])(const std::byte* panel, int64_t groups, const ActGroup* x, int64_t n, float* out,
                                   int64_t out_stride, Ahead ahead);
  // Spreads a panel's codes to bytes and its scales to floats, for many_rows.
  void (*spread)(const std::byte* panel, int64_t groups, std::byte* wide);
  // The same with panels that are spread.
  void (*many_rows[kMostTerms][2])(const std::byte* wide, int64_t groups, const ActGroup* x, int64_t n, float* out,
                                   int64_t out_stride, Ahead ahead);
  int64_t wide_group_bytes;  // of one group of a panel after spread; a multiple of 64
  int64_t super_bytes;       // of the panel, per groups_in_super
  int groups_in_super;
  int offset;  // for quantise
  int scales;
};

enum class FloatFormat : uint8_t { kF32, kF16, kBF16 };
// The panel of a float matrix is (cols, 16). out[r * out_stride + 0..15] = panel times row r of x (n, cols).
using FloatProduct = void (*)(const std::byte* panel, int64_t cols, const float* x, int64_t n, float* out,
                              int64_t out_stride);

inline constexpr int64_t kAttentionBlock = 64;  // keys; equals ops' kBlockTokens
inline constexpr int64_t kAttentionPart = 512;  // keys; equals ops' kPartTokens

// kBF16Pairs: keys (K, D / 2, kAttentionBlock, 2), values (K, kAttentionBlock / 2, D, 2), D a multiple of 16.
// kI8: by head; after the numbers of keys, and of values, their scales (K, kAttentionBlock), float32.
// kWordPairs: 16-bit integers in the places of kBF16Pairs, with scales as kI8 has them.
enum class KeyFormat : uint8_t { kF32, kF16, kBF16Pairs, kI8, kWordPairs };

// Rows [begin, end) of one span, all heads of one key/value head: ops/attention.hpp with its types taken apart. They
// are (end - begin) * heads / kv_heads queries.
struct AttentionCall {
  const float* q;  // (N, H, D)
  float* out;      // (N, H, D)
  int64_t row_begin;
  int64_t position;
  int64_t keys;
  const std::byte* const* key_blocks;
  const std::byte* const* value_blocks;
  int64_t keys_at;  // bytes into each block
  int64_t values_at;
  KeyFormat format;
  bool by_head;  // their layout in a block; pairs have their own
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
  float scale;
  float softcap;
  int64_t window;
  bool causal;
  const float* sinks;  // (H), or null
  // Added to the scaled score of the row at position i, head h and the key at j: bias[h * bias_stride + j - i]. Whole
  // blocks of keys can be read. Or null.
  const float* bias;
  int64_t bias_stride;
  int64_t kv_head;
  int64_t begin;
  int64_t end;
  std::byte* scratch;  // CpuAttention::scratch(head_dim, queries) bytes, on a cache line
};

struct CpuAttention {
  void (*whole)(const AttentionCall& call);
  int64_t (*scratch)(int64_t head_dim, int64_t queries);  // bytes
  // The same in two steps, for few rows and many keys. states: `state` floats for each query, which the part leaves.
  // Then all parts that a row sees, from the first on, one after the other: (parts, queries, state).
  void (*part)(const AttentionCall& call, int64_t part, float* states);
  void (*join)(const AttentionCall& call, const float* states, int64_t parts);
  int64_t (*state)(int64_t head_dim);
  // Numbers as keys and values are kept: n of them as F16; or pairs of BF16, of the low numbers and the high ones.
  void (*to_half)(const float* x, int64_t n, uint16_t* out);
  void (*to_pairs)(const float* low, const float* high, int64_t n, uint32_t* out);  // null without kBF16Pairs
  // A vector of n numbers, a multiple of 16, as integers, and what they are to be multiplied by: NaN where one of x is
  // not finite (or beyond 1e18). by_norm, for queries and keys: the same Euclidean norm for all; for values the same
  // largest number. Null without kWordPairs.
  float (*to_words)(const float* x, int64_t n, bool by_norm, int16_t* out);
};

// What a tile of a product fetches for those that follow: the c of the next, to be written, or its own; and lines of a
// later b, from memory or a farther cache to the second. Of b in several places by turns: they come sooner from several
// pages of memory than from one.
struct TileAhead {
  static constexpr int64_t kPlaces = 4;
  float* c;
  const std::byte* b = nullptr;
  int64_t b_lines = 0;   // from each place
  int64_t b_stride = 0;  // bytes from place to place
};

// Panels of a and b, and how much of k they hold.
struct TileFactors {
  const std::byte* a = nullptr;
  const std::byte* b = nullptr;
  int64_t k = 0;
};

// Products of two float matrices, both packed for it: tiles of (rows, cols) numbers.
struct MatmulKernels {
  // `count` columns in panels of `width` = rows or cols, one every panel_bytes: from's number (k, j) lies at
  // k * k_stride + j * j_stride, one of which is 1; columns from `count` on become zero. A panel takes
  // k * width * number_bytes bytes, for a k that depth_unit does not divide those of the next that it does.
  using Pack = void (*)(const float* from, int64_t k_stride, int64_t j_stride, int64_t k, int64_t count, int64_t width,
                        int64_t panel_bytes, std::byte* out);
  int rows;
  int cols;
  int depth;         // of k, in one product at most: a panel of b stays in the first cache
  int depth_unit;    // divides depth
  int number_bytes;  // of a packed number, float32 or bfloat16; depth * number_bytes is at most kPanelDepthBytes
  Pack pack_a;       // j counts rows of a
  Pack pack_b;
  int64_t (*place_in_b)(int64_t k, int64_t j);  // how many numbers into a panel of b its number (k, j) lies
  // c (rows, cols), a row every c_stride, = the product of `factors` and that of `plus`, or those added to it. Each
  // number is one chain of sums: from zero or c over all k of factors, then of plus, whose k may be 0.
  void (*tile)(const TileFactors& factors, const TileFactors& plus, float* c, int64_t c_stride, bool add,
               const TileAhead& ahead);
  // The same where the next tiles have the same panel of b, and others of a; c lies in a near cache.
  void (*tile_of_column)(const TileFactors& factors, const TileFactors& plus, float* c, int64_t c_stride, bool add,
                         const TileAhead& ahead);
  // out (cols, rows), a row every out_stride, = the turned tile (rows, cols), a row every tile_stride.
  void (*turn)(const float* tile, int64_t tile_stride, int64_t rows, int64_t cols, float* out, int64_t out_stride);
  // Around all calls of tile() by one thread; or null.
  void (*enter)() = nullptr;
  void (*leave)() = nullptr;
};
inline constexpr int64_t kPanelDepthBytes = 1280;             // of one row or column, in a panel of any MatmulKernels
inline constexpr int64_t kLeastDepth = 256;                   // of any MatmulKernels
inline constexpr int64_t kMostDepth = 640;                    // likewise
inline constexpr int64_t kFewestTileRows = 6;                 // likewise
inline constexpr int64_t kMostTileRows = 32;                  // likewise
inline constexpr int64_t kMostTileFloats = int64_t{32} * 32;  // rows * cols of any MatmulKernels

// What the integer dot product decides.
struct IntegerKernels {
  QuantKernels q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4;
  QuantKernels turned;  // for turned_panels() of this offset
  int turned_offset;
  int64_t (*multiply_int8)(int64_t rounds);  // for PeakLoops
};

// Scores of keys with queries, a multiple of kLanes of them: s (keys, queries), of which none is NaN by being masked:
// what a query does not see is -infinity.
struct ScoreBlock {
  float* s;
  int64_t keys;
  int64_t queries;
  float scale;  // above zero; of the scores
};
// Dropout of weights: those with a level below `dropped` become zero, the rest is multiplied by `kept`.
struct ScoreMask {
  const uint16_t* levels;  // (queries / 16, keys, 16), or null: none is dropped
  uint32_t dropped;
  float kept;
};
// highest, sums, log_sums, mean: (queries).
struct ScoreKernels {
  // highest becomes the larger of it and of the scaled scores.
  void (*raise)(const ScoreBlock& block, float* highest);
  // s becomes e^(scale * s - highest), which is added to the sums, and then the mask's.
  void (*weigh)(const ScoreBlock& block, const ScoreMask& mask, const float* highest, float* sums);
  // s becomes the weights p = e^(scale * s - log_sums) with the mask, and dp the gradients of the scores, scale * p *
  // (dp with the mask - mean).
  void (*back)(const ScoreBlock& block, float* dp, const ScoreMask& mask, const float* log_sums, const float* mean);
};

struct FloatKernels {
  FloatProduct f32, f16, bf16;
  MatmulKernels matmul;
  // out: `groups` groups of x, in one or two terms each. A group with an infinity or NaN becomes NaN; one below 2^-112
  // becomes zero.
  void (*quantise[kMostTerms])(const float* x, int64_t groups, int offset, int scales, ActGroup* out);

  void (*rms_norm)(const float* x, const float* weight, float offset, float eps, int64_t rows, int64_t dim, float* out);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t dim,
                     float* out);
  void (*norm_vjp)(const NormVjpCall& call);
  void (*add)(const float* x, const float* y, int64_t n, float* out);
  void (*drop)(const float* x, const uint16_t* levels, int64_t n, uint32_t dropped, float kept, float* out);
  void (*rotate)(const RotateCall& call, const float* x, const float* cos, const float* sin, float* out);
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* out);
  void (*gelu_mul)(const float* gate, const float* up, int64_t n, float* out);
  void (*gelu_tanh_mul)(const float* gate, const float* up, int64_t n, float* out);
  void (*silu_mul_vjp)(const float* gate, const float* up, const float* dy, int64_t n, float* d_gate, float* d_up,
                       float* out);
  void (*gelu_mul_vjp)(const float* gate, const float* up, const float* dy, int64_t n, float* d_gate, float* d_up,
                       float* out);
  void (*gelu_tanh_mul_vjp)(const float* gate, const float* up, const float* dy, int64_t n, float* d_gate, float* d_up,
                            float* out);
  float (*exp_shifted)(const float* x, float shift, int64_t n, float* out);
  float (*softmax)(float* x, int64_t n, float scale, float sink);
  float (*softmax_vjp)(const float* p, int64_t n, float scale, float* dp);
  ScoreKernels scores;
  int64_t (*multiply_f32)(int64_t rounds);  // for PeakLoops
  void (*read_lines)(const std::byte* lines, int64_t count);
};

// Of pairs of bfloat16.
struct PairKernels {
  MatmulKernels matmul;
  // See FloatProducts::keep_pairs.
  void (*keep)(float* low, float* high, int64_t n, uint32_t* out);
  int64_t (*multiply_bf16)(int64_t rounds);  // for PeakLoops
};

// Products with one quantised format, by tiles of bfloat16. A group of a panel makes one tile, of kTileBytes. Weights
// are decoded times two to the power of their panel's exponent.
struct TileQuantKernels {
  float (*largest)(const std::byte* panel, int64_t groups);  // no weight of the panel is larger
  void (*spread)(const std::byte* panel, int64_t groups, int exponent, std::byte* tiles, int64_t tile_stride);
  // out[r * out_stride + 16 p + 0..15] for n <= kFewTileRows rows r of activations and `count` panels p, which lie one
  // after the other. Same bits as many_rows.
  void (*few_rows)(const std::byte* panels, int64_t count, int64_t groups, const int8_t* exponents, const std::byte* x,
                   int64_t n, float* out, int64_t out_stride);
};
inline constexpr int64_t kTileHeight = 16;  // rows
inline constexpr int64_t kTileRowBytes = 64;
inline constexpr int64_t kTileBytes = kTileHeight * kTileRowBytes;
inline constexpr int64_t kFewTileRows = 32;
inline constexpr int kUsualExponent = 14;  // of a panel: products with it cost least

// Groups [begin, end) of a product over `groups`.
struct DepthPiece {
  int64_t begin;
  int64_t end;
  int64_t groups;
};

struct TileKernels {
  TileQuantKernels q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs, mxfp4;
  // As activations, `rows` rows of one tile, given with a row every x_stride floats: row r of group g is written at
  // out + g * group_stride + r * kTileRowBytes. The activations (n, 32 groups) are tiles of kTileHeight rows and of
  // what is left, each (groups, rows, 32).
  void (*tile_rows)(const float* x, int64_t x_stride, int64_t rows, int64_t groups, std::byte* out,
                    int64_t group_stride);
  // As few_rows, for any n and one or two panels, over `piece` of the depth. weights: of each group of the piece, the
  // tiles of all panels. sums: what pieces leave for the next, kTileBytes for each panel and tile of rows;
  // nothing where one piece is all. The last piece writes out.
  void (*many_rows[2])(const std::byte* weights, const DepthPiece& piece, const int8_t* exponents, const std::byte* x,
                       int64_t n, std::byte* sums, float* out, int64_t out_stride);
};

// An instruction set compiles only what its instructions do faster; the rest is that of the set below it.
namespace avx2 {
extern const IntegerKernels kIntegers;
extern const FloatKernels kFloats;
extern const CpuAttention kAttention;
}  // namespace avx2
namespace avxvnni {
extern const IntegerKernels kIntegers;
extern const CpuAttention kAttention;
}  // namespace avxvnni
namespace avx512 {
extern const IntegerKernels kIntegers;
extern const FloatKernels kFloats;
extern const CpuAttention kAttention;
}  // namespace avx512
namespace avx512vnni {
extern const IntegerKernels kIntegers;
extern const CpuAttention kAttention;
}  // namespace avx512vnni
namespace avx512bf16 {
extern const CpuAttention kAttention;
extern const PairKernels kPairs;
}  // namespace avx512bf16
namespace amx {
extern const CpuAttention kAttention;
extern const PairKernels kPairs;
extern const TileKernels kTileKernels;
}  // namespace amx
namespace dotprod {
extern const IntegerKernels kIntegers;
extern const FloatKernels kFloats;
extern const CpuAttention kAttention;
}  // namespace dotprod
namespace i8mm {
extern const IntegerKernels kIntegers;
}
namespace armbf16 {
extern const CpuAttention kAttention;
extern const PairKernels kPairs;
}  // namespace armbf16

struct CpuKernels {
  const IntegerKernels* integers;
  const FloatKernels* floats;
  const CpuAttention* attention;
  const PairKernels* pairs;  // null without such instructions
  const TileKernels* tiles;  // likewise; where they are, they do what `integers` does elsewhere
};

}  // namespace linnet::kernels
