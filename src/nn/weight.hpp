// A weight matrix of any storage format, behind four doors: product, transposed product, row gather, unpack.
//
// A Weight is not a Tensor. It holds its numbers in one of three ways: as a tensor of floats (which may be trained), as
// blocks in a mapped file, or packed for this machine's kernels. Packing replaces the blocks: they never stand side by
// side for longer than one matrix takes.
// Ownership: movable; shares mapped bytes. Thread safety: const methods are safe together.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "nn/turned_blocks.hpp"
#include "ops/context.hpp"
#include "ops/kernel_table.hpp"

namespace linnet {

// The number of x among `different` tensors of one op's inputs, which it joins where it is not one of them.
size_t number_among(std::vector<Tensor>& different, const Tensor& x);

class Weight {
 public:
  Weight() = default;

  // tensor: (O, C) float32 or bfloat16.
  static Weight from_tensor(Tensor tensor);
  // Without numbers, for Device::kMeta: frozen, until it is unpacked to a tensor (which has none either). format: that
  // it would be held in.
  static Weight hollow(int64_t rows, int64_t cols, QuantType format);
  // Blocks that `owner` keeps alive.
  static Weight from_blocks(const MatrixView& matrix, std::shared_ptr<const void> owner);

  bool defined() const { return rows_ > 0; }
  int64_t rows() const { return rows_; }  // O, output features
  int64_t cols() const { return cols_; }  // C, input features
  QuantType format() const { return format_; }
  int64_t bytes() const;  // that this holds now
  // Where the numbers lie as long as they are not packed: in a mapped file or in memory of their own; else empty.
  std::span<const std::byte> unpacked_bytes() const;

  // x: (..., C) -> (..., O). Differentiable in x, and in the weight when it is a tensor that asks for it.
  Tensor product(Context& ctx, const Tensor& x) const;
  struct Factors {
    const Weight* weight;
    Tensor x;                          // (..., C)
    const MatmulCall* plus = nullptr;  // added, as MatmulCall::plus, with a packed b; only where nobody records
  };
  // The product of each, as product() gives it; packed ones share one wait for the threads, as do
  // others; on the way back those of the same x add to one gradient.
  static std::vector<Tensor> products(Context& ctx, std::span<const Factors> factors);
  // A gated linear unit: the product of `down` with gate(x · gateᵀ, x · upᵀ).
  struct GatedFactors {
    const Weight* gate;
    const Weight* up;
    const Weight* down;
    Tensor x;  // (..., C)
  };
  // Whether gated_products() can be called: every matrix is packed, and nobody records or observes.
  static bool can_join_gated(const Context& ctx, std::span<const GatedFactors> factors);
  // Of each, (..., O of down): see KernelTable::gated_products.
  static std::vector<Tensor> gated_products(Context& ctx, std::span<const GatedFactors> factors, GateKernel gate);
  // y: (..., O) -> (..., C) = y · W, the way back through a frozen base.
  Tensor transposed_product(Context& ctx, const Tensor& y) const;
  struct BackFactors {
    const Weight* weight;
    Tensor y;                          // (..., O)
    Tensor* sum;                       // (..., C), to which y · W is added; it becomes that where it is undefined
    const MatmulCall* plus = nullptr;  // added, too, as above
  };
  // Sums are taken over the factors of blocks, and then over those of floats, each in their order.
  static void transposed_products(Context& ctx, std::span<const BackFactors> factors);
  // Whether that is a product of floats, which transposed_product_call() describes, or one of blocks (TurnedBlocks).
  bool is_turned_as_floats(const Context& ctx) const;
  // For ops::multiply, without their c; they borrow this and the operand. x · Wᵀ, where is_multiplied_as_floats; y · W,
  // where is_turned_as_floats.
  MatmulCall product_call(Context& ctx, const Tensor& x) const;
  MatmulCall transposed_product_call(Context& ctx, const Tensor& y) const;
  // Whether product() of so many rows is one of ops::multiply.
  bool is_multiplied_as_floats(const Context& ctx, int64_t rows) const;
  // Rows `ids` (each in [0, O)) -> (N, C): an embedding.
  Tensor gather(Context& ctx, std::span<const int32_t> ids) const;
  // All of it: (O, C) float32.
  Tensor unpack() const;

  // Repacks for the kernels of `ctx`, where they have a layout for the format; else nothing changes. `release` (may be
  // empty) is then called with the original bytes, piece by piece, which nothing reads any more. bits: of the
  // activations in its products.
  void pack(Context& ctx, ActivationBits bits, const ReleaseBytes& release);

  // Keeps both sides of what teaching multiplies with, as ctx.compute() says: the same bits of every product, without
  // decoding, turning and packing the weight for each. Nothing where the weight itself is taught, or the kernels have
  // no use of it.
  // alone: what inference multiplies with is dropped, so that every product and row is of these from then on. Requires
  // then that whoever teaches asks for no more than bfloat16 gives, where that is what they are.
  void prepack(Context& ctx, bool alone = false);
  // What that would take, and what it drops alone.
  int64_t prepacked_bytes(const Context& ctx) const;
  int64_t replaced_bytes(const Context& ctx) const;

  // The tensor to train; undefined when the weight is held in another way.
  Tensor& tensor() { return tensor_; }
  const Tensor& tensor() const { return tensor_; }

 private:
  static std::vector<Tensor> products_unrecorded(Context& ctx, std::span<const Factors> factors);
  bool has_floats() const;
  static void add_turned(Context& ctx, const BackFactors& factors);
  // What is packed for teaching of W, or of Wᵀ, if that fits the context.
  const PackedOperand* operand(const Context& ctx, bool transposed) const;
  // Requires numbers that are not packed.
  MatrixView view() const;
  void decode_row(int64_t row, float* out) const;
  std::function<void(int64_t row, float* out)> row_decoder() const;  // borrows this

  int64_t rows_ = 0;
  int64_t cols_ = 0;
  QuantType format_ = QuantType::kF32;
  Tensor tensor_;
  MatrixView blocks_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const PackedMatrix> packed_;
  std::shared_ptr<const PackedOperand> forth_;  // Wᵀ, of product()
  std::shared_ptr<const PackedOperand> back_;   // W, of transposed_product()
  std::shared_ptr<const TurnedBlocks> turned_;  // likewise
  bool stands_alone_ = false;                   // there are forth_ and back_, and nothing else
  decltype(FloatProducts::operand_row) operand_row_ = nullptr;
};

}  // namespace linnet
