// The fast paths that a machine offers. A null entry means that the op's reference runs.
//
// Filled by kernels/registry.cpp, in explicit lines, for one instruction set; read-only afterwards.
// Every kernel computes what its reference computes, within the tolerance that the conformance table states, and the
// same bits for the same row whatever the number of rows and threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/thread_pool.hpp"
#include "ops/attention.hpp"
#include "ops/attention_head_call.hpp"
#include "ops/norm_call.hpp"
#include "ops/peak_loops.hpp"
#include "ops/rotate_call.hpp"
#include "quant/format.hpp"

namespace linnet {

// A matrix as a file holds it: (rows, cols) in row-major blocks of `format`. Borrows the bytes.
struct MatrixView {
  const QuantFormat* format = nullptr;
  const std::byte* bytes = nullptr;
  int64_t rows = 0;  // output features
  int64_t cols = 0;  // input features; a multiple of the format's block
  int64_t row_bytes() const { return cols / format->block_elements * format->block_bytes; }
};

// Rows [first, first + count) of a matrix with so many columns. count: a multiple of 32.
struct RowsToTurn {
  int64_t first;
  int64_t count;
  int64_t cols;
  const std::function<void(int64_t row, float* out)>& decode;  // called from several threads
};

// How finely a product with a quantised matrix sees its activations, which have a scale for each 32. Eight bits cost
// least, and are most of the error of the product; sixteen leave next to none, for up to twice the arithmetic. A matrix
// of floats takes them as they are.
enum class ActivationBits : uint8_t { k8, k16 };

// A matrix in the layout that one instruction set multiplies fastest. Opaque to everyone but the kernels that made it.
class PackedMatrix {
 public:
  virtual ~PackedMatrix() = default;
  // y (n, rows) = x (n, cols) times the transposed matrix.
  virtual void product(ThreadPool& pool, const float* x, int64_t n, float* y) const = 0;
  // out (cols) = row `row` of the matrix, decoded.
  virtual void gather(int64_t row, float* out) const = 0;
  virtual int64_t bytes() const = 0;
};

struct MatmulCall;

// y (n, rows) = x (n, cols) times the transposed matrix, or that added to y.
struct PackedProduct {
  const PackedMatrix* matrix;
  const float* x;
  int64_t n;
  float* y;
  int64_t x_stride = 0;  // floats from row to row of x, where there is pack_turned; 0: they lie one after the other
  bool add = false;
  // Where this is not null, its a · b is added, too: of it only a, k and b count, which must be packed.
  const MatmulCall* plus = nullptr;
};

// y (n, down's rows) = (activation(x · gateᵀ) * (x · upᵀ)) · downᵀ, a gated linear unit (Shazeer 2020,
// arXiv:2002.05202). gate and up have as many rows as down has columns, a multiple of 32. x: (n, gate's columns).
struct GatedProduct {
  const PackedMatrix* gate;
  const PackedMatrix* up;
  const PackedMatrix* down;
  const float* x;
  int64_t n;
  float* y;
};
// out = activation(gate) * up over n numbers. out may be gate.
using GateKernel = void (*)(const float* gate, const float* up, int64_t n, float* out);
// Its gradients, given that of out. d_gate may be dy. out: as GateKernel's, or null.
using GateVjpKernel = void (*)(const float* gate, const float* up, const float* dy, int64_t n, float* d_gate,
                               float* d_up, float* out);

// Told of bytes that nothing reads any more.
using ReleaseBytes = std::function<void(std::span<const std::byte>)>;

// The b of many products, packed once by the pack_operand of one FloatProducts, for the same one's matmul.
struct PackedOperand {
  DType numbers = DType::kBF16;  // kF32 or kBF16
  int64_t k = 0;
  int64_t n = 0;
  Tensor bytes;
};

// A product of float32 matrices, row-major: c (M, N) = a · b, or that added to c. `transposed`: stored as the
// transpose.
struct MatmulCall {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* a = nullptr;  // (M, K)
  bool a_transposed = false;
  const float* b = nullptr;  // (K, N); null: b_row writes a row of it as it is stored
  bool b_transposed = false;
  std::function<void(int64_t row, float* out)> b_row = nullptr;  // called from several threads
  const PackedOperand* packed = nullptr;  // b, which is then not looked at; the bits of c are the same
  float* c = nullptr;
  bool c_transposed = false;  // then `scale` must be 1 and `plus` null
  bool add = false;
  float scale = 1;  // of the product; 1 where anything is added
  // Where this is not null, c is a · b + plus->a · plus->b; of it only a, b and k count.
  const MatmulCall* plus = nullptr;

  // What `plus` adds, as a call of its own.
  MatmulCall added() const {
    MatmulCall more = *plus;
    more.m = m;
    more.n = n;
    more.c = c;
    more.add = true;
    return more;
  }
};

using MatmulCalls = std::span<const MatmulCall>;

// Some rows and neighbouring columns of several matrices: number (row + r, col + j) of each is numbers[.][r * cols +
// j].
struct Strips {
  int64_t row;  // a multiple of FloatProducts::tile_rows: sums over so many rows do not hang on the threads
  int64_t rows;
  int64_t col;
  int64_t cols;
  std::array<float*, 3> numbers;

  int64_t count() const { return rows * cols; }
};

// Products, what is made of them number by number, and products with that: what lies between stands in memory for a few
// rows and columns at a time. All have as many rows.
struct JoinedProducts {
  MatmulCalls before;
  MatmulCalls inner;  // one or two, of one n; their c is not looked at
  // Makes of strips of inner's products those of what `after` multiplies, in their place. From several threads.
  std::function<void(const Strips&)> join;
  std::array<MatmulCalls, 2> after;  // by the strip that is their a; k is inner's n. Their own a is not looked at
  // Where this is not null, the strip as the b of products with these rows as k: for gradients of weights.
  std::array<PackedOperand*, 3> kept{};
};

// Products of float32 matrices in one arithmetic.
struct FloatProducts {
  DType numbers = DType::kF32;  // that a and b are rounded to; sums are of float32
  int64_t tile_rows = 0;        // of a, that are multiplied together

  // Products of as many rows, one after the other: a may be the c of an earlier one. The bits of a row of c hang on its
  // row of a and on b alone. workspace: matmul_workspace() bytes, on a cache line.
  void (*matmul)(ThreadPool& pool, MatmulCalls calls, std::byte* workspace) = nullptr;
  // workspace: joined_workspace() bytes, likewise. Requires rows enough: see can_join.
  void (*joined)(ThreadPool& pool, const JoinedProducts& products, std::byte* workspace) = nullptr;
  // What teaching keeps for its way back: out, pairs of n low and n high numbers, which become what the pairs hold. To
  // nearest, ties to even. Null where numbers are not rounded.
  void (*keep_pairs)(float* low, float* high, int64_t n, uint32_t* out) = nullptr;
  // The b, n and k of `call` alone, into operand_bytes() on a cache line.
  void (*pack_operand)(ThreadPool& pool, const MatmulCall& call, std::byte* out) = nullptr;
  int64_t (*operand_bytes)(int64_t k, int64_t n) = nullptr;
  // out (n) = row `row` of its k, as float32.
  void (*operand_row)(const PackedOperand& operand, int64_t row, float* out) = nullptr;
  AttentionHeadKernels attention_heads{};  // of teaching

  explicit operator bool() const { return matmul != nullptr; }
};

struct KernelTable {
  std::string_view isa = "reference";

  // Null where this instruction set has no layout for the format and the reference must do. `release`, where it is not
  // empty, is called on this thread with each piece of the matrix's bytes once it is packed and nothing reads it again.
  std::unique_ptr<PackedMatrix> (*pack)(ThreadPool& pool, const MatrixView& matrix, ActivationBits bits,
                                        const ReleaseBytes& release) = nullptr;
  // Products with matrices that this table packed: the bits of PackedMatrix::product, with one wait for the threads
  // instead of one for each. Of an x that several read the activations are made once. Null where pack is.
  void (*products_together)(ThreadPool& pool, std::span<const PackedProduct> products) = nullptr;

  // Packs the transpose of rows for products with gradients: in blocks of 32 of those rows, with eight bits, or six
  // where eight would be slow. Null where products with blocks are no integer arithmetic.
  std::unique_ptr<PackedMatrix> (*pack_turned)(ThreadPool& pool, const RowsToTurn& rows) = nullptr;

  // The bits that products, `gate` and a product give, without what lies between them ever standing in memory whole.
  // Null where pack is.
  void (*gated_products)(ThreadPool& pool, std::span<const GatedProduct> products, GateKernel gate) = nullptr;

  FloatProducts f32;                                                        // all null in the reference
  FloatProducts bf16;                                                       // all null where that is no faster
  int64_t (*matmul_workspace)(int threads, MatmulCalls calls) = nullptr;    // bytes, for either
  bool (*can_join)(int threads, const JoinedProducts& products) = nullptr;  // whether `joined` can be called
  int64_t (*joined_workspace)(int threads, const JoinedProducts& products) = nullptr;

  // out (rows, dim) = x / rms(x) * (weight + offset)
  void (*rms_norm)(const float* x, const float* weight, float offset, float eps, int64_t rows, int64_t dim,
                   float* out) = nullptr;
  // out (rows, dim) = (x - mean) / deviation * weight + bias, which may be null.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int64_t rows, int64_t dim,
                     float* out) = nullptr;
  void (*norm_vjp)(const NormVjpCall& call) = nullptr;
  AttentionKernels attention{};
  int64_t (*attention_head_workspace)(int64_t rows, int64_t dim) = nullptr;  // bytes, for either way
  // out = x + y over n numbers. out may be one of them.
  void (*add)(const float* x, const float* y, int64_t n, float* out) = nullptr;
  // The rest of dropout: of n numbers x, those with a level below `dropped` become zero, others are multiplied by kept.
  void (*drop)(const float* x, const uint16_t* levels, int64_t n, uint32_t dropped, float kept, float* out) = nullptr;
  // cos, sin: (half). x, out: (heads, dim).
  void (*rotate)(const RotateCall& call, const float* x, const float* cos, const float* sin, float* out) = nullptr;
  // For SiLU and both forms of GELU.
  GateKernel silu_mul = nullptr;
  GateKernel gelu_mul = nullptr;
  GateKernel gelu_tanh_mul = nullptr;
  GateVjpKernel silu_mul_vjp = nullptr;
  GateVjpKernel gelu_mul_vjp = nullptr;
  GateVjpKernel gelu_tanh_mul_vjp = nullptr;
  // out = e^(x - shift) over n numbers of which none is above the shift; below 2^-126 it may be zero. Returns their
  // sum. out may be x.
  float (*exp_shifted)(const float* x, float shift, int64_t n, float* out) = nullptr;
  // The softmax of scale * x, with a sink (a score of which nothing comes; -infinity without one) beside the n > 0
  // numbers, in their place. Returns the sink's weight.
  float (*softmax)(float* x, int64_t n, float scale, float sink) = nullptr;
  // The way back through a softmax of n weights p: dp becomes scale * p * (dp - m), where m = sum of p * dp is
  // returned.
  float (*softmax_vjp)(const float* p, int64_t n, float scale, float* dp) = nullptr;
  // What these kernels can be measured against; null as the others.
  PeakLoops peaks;
};

// The table without a single kernel: everything runs on its reference.
const KernelTable& reference_kernels();

}  // namespace linnet
