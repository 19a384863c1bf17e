#include "nn/weight.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/large_memory.hpp"
#include "ops/linear.hpp"
#include "ops/op_clock.hpp"
#include "ops/select.hpp"

namespace linnet {

size_t number_among(std::vector<Tensor>& different, const Tensor& x) {
  const auto same = std::ranges::find_if(
      different, [&](const Tensor& other) { return other.raw() == x.raw() && other.grad_id() == x.grad_id(); });
  const auto number = static_cast<size_t>(same - different.begin());
  if (same == different.end()) different.push_back(x);
  return number;
}

Weight Weight::from_tensor(Tensor tensor) {
  require_shape(tensor.shape().rank() == 2, "weight", "a matrix must be (O, C)", tensor.shape());
  Weight weight;
  weight.rows_ = tensor.dim(0);
  weight.cols_ = tensor.dim(1);
  weight.format_ = ops::matrix_view(tensor).format->type;
  weight.tensor_ = std::move(tensor);
  return weight;
}

Weight Weight::hollow(int64_t rows, int64_t cols, QuantType format) {
  Weight weight;
  weight.format_ = format;
  weight.rows_ = rows;
  weight.cols_ = cols;
  return weight;
}

Weight Weight::from_blocks(const MatrixView& matrix, std::shared_ptr<const void> owner) {
  Weight weight;
  weight.rows_ = matrix.rows;
  weight.cols_ = matrix.cols;
  weight.format_ = matrix.format->type;
  weight.blocks_ = matrix;
  weight.owner_ = std::move(owner);
  return weight;
}

int64_t Weight::bytes() const {
  if (stands_alone_) return forth_->bytes.bytes() + back_->bytes.bytes();
  if (packed_) return packed_->bytes();
  return tensor_.defined() ? tensor_.bytes() : rows_ * blocks_.row_bytes();
}

std::span<const std::byte> Weight::unpacked_bytes() const {
  if (!defined() || packed_ || stands_alone_) return {};
  return {tensor_.defined() ? tensor_.raw() : blocks_.bytes, static_cast<size_t>(bytes())};
}

bool Weight::has_floats() const {
  return format_ == QuantType::kF32 || format_ == QuantType::kF16 || format_ == QuantType::kBF16;
}

MatrixView Weight::view() const {
  return tensor_.defined() ? ops::matrix_view(tensor_) : blocks_;
}

Tensor Weight::product(Context& ctx, const Tensor& x) const {
  const Factors one[] = {{this, x}};
  return products(ctx, one)[0];
}

bool Weight::is_multiplied_as_floats(const Context& ctx, int64_t rows) const {
  // Fewer rows are not worth packing; blocks of integers are multiplied faster as they are.
  constexpr int64_t kLeastRows = 32;
  const bool taught_beside = ctx.compute() && has_floats() && rows >= kLeastRows;
  return ctx.kernels().f32 && (tensor_.defined() || stands_alone_ || taught_beside);
}

std::vector<Tensor> Weight::products_unrecorded(Context& ctx, std::span<const Factors> factors) {
  std::vector<Tensor> ys;
  std::vector<PackedProduct> packed;
  std::vector<MatmulCall> calls;
  const OpTimer timer(ctx, "product");
  for (const auto& [w, x, plus] : factors) {
    require_shape(x.dim(-1) == w->cols_, "product", "x must be (..., C=" + std::to_string(w->cols_) + ")", x.shape());
    if (ctx.observer()) ctx.observer()->observe(*w, x);
    const int64_t n = x.elements() / w->cols_;
    ys.push_back(ctx.empty(x.shape().with_last(w->rows_)));
    float* y = ys.back().data<float>();
    if (w->is_multiplied_as_floats(ctx, n)) {
      calls.push_back(w->product_call(ctx, x));
      calls.back().c = y;
      calls.back().plus = plus;
    } else if (w->packed_ && !ctx.meta()) {
      packed.push_back({.matrix = w->packed_.get(), .x = x.data<float>(), .n = n, .y = y, .plus = plus});
    } else if (!ctx.meta()) {
      ops::product_reference(ctx, w->view(), x.data<float>(), n, y);
      if (plus) ops::multiply(ctx, MatmulCall{.m = n, .n = w->rows_, .c = y, .plus = plus}.added());
    }
  }
  if (!calls.empty()) ops::multiply(ctx, calls);
  if (!packed.empty()) ctx.kernels().products_together(ctx.pool(), packed);
  return ys;
}

bool Weight::can_join_gated(const Context& ctx, std::span<const GatedFactors> factors) {
  if (ctx.recorder() || ctx.observer() || ctx.meta() || !ctx.kernels().gated_products) return false;
  return std::ranges::all_of(factors, [&](const GatedFactors& one) {
    const auto packed = [&](const Weight* w) {
      return w->packed_ && !w->is_multiplied_as_floats(ctx, one.x.elements() / one.gate->cols_);
    };
    constexpr int64_t kGroup = 32;
    return packed(one.gate) && packed(one.up) && packed(one.down) && one.down->cols_ % kGroup == 0;
  });
}

std::vector<Tensor> Weight::gated_products(Context& ctx, std::span<const GatedFactors> factors, GateKernel gate) {
  std::vector<Tensor> ys;
  std::vector<GatedProduct> packed;
  for (const auto& [gates, up, down, x] : factors) {
    require_shape(x.dim(-1) == gates->cols_, "product", "x must be (..., C=" + std::to_string(gates->cols_) + ")",
                  x.shape());
    ys.push_back(ctx.empty(x.shape().with_last(down->rows_)));
    packed.push_back({gates->packed_.get(), up->packed_.get(), down->packed_.get(), x.data<float>(),
                      x.elements() / gates->cols_, ys.back().data<float>()});
  }
  const OpTimer timer(ctx, "product");
  ctx.kernels().gated_products(ctx.pool(), packed, gate);
  return ys;
}

std::vector<Tensor> Weight::products(Context& ctx, std::span<const Factors> factors) {
  std::vector<Tensor> ys = products_unrecorded(ctx, factors);
  if (!ctx.recorder()) return ys;
  struct Kept {
    Weight weight;
    size_t x;  // its number among the inputs, which begin with every different x
  };
  std::vector<Tensor> inputs;
  std::vector<Kept> kept;
  for (const auto& [w, x, plus] : factors) {
    CHECK(!plus);
    kept.push_back({*w, number_among(inputs, x)});
  }
  const std::vector<Tensor> xs = inputs;
  std::vector<Tensor*> outputs;
  for (size_t i = 0; i < factors.size(); ++i) {
    inputs.push_back(kept[i].weight.tensor_);
    outputs.push_back(&ys[i]);
  }
  ctx.record(inputs, outputs, [xs, kept = std::move(kept)](Context& back, std::span<const Tensor> dy) {
    std::vector<Tensor> grads(xs.size() + kept.size());
    std::vector<BackFactors> wanted;
    for (size_t i = 0; i < kept.size(); ++i) {
      const auto& [weight, x] = kept[i];
      if (dy[i].defined() && wants_grad(xs[x])) wanted.push_back({&weight, dy[i], &grads[x]});
    }
    transposed_products(back, wanted);
    for (size_t i = 0; i < kept.size(); ++i) {
      const auto& [weight, x] = kept[i];
      if (!dy[i].defined() || !wants_grad(weight.tensor_)) continue;
      grads[xs.size() + i] = ops::weight_grad(back, {dy[i], xs[x], weight.tensor_});
    }
    return grads;
  });
  return ys;
}

const PackedOperand* Weight::operand(const Context& ctx, bool transposed) const {
  const std::shared_ptr<const PackedOperand>& packed = transposed ? forth_ : back_;
  return packed && packed->numbers == ctx.float_products().numbers ? packed.get() : nullptr;
}

MatmulCall Weight::product_call(Context& ctx, const Tensor& x) const {
  if (tensor_.defined()) return ops::product_call(ctx, x, tensor_);
  return {.m = x.elements() / cols_,
          .n = rows_,
          .k = cols_,
          .a = x.data<float>(),
          .b_transposed = true,
          .b_row = row_decoder(),
          .packed = operand(ctx, true)};
}

MatmulCall Weight::transposed_product_call(Context& ctx, const Tensor& y) const {
  require_shape(y.dim(-1) == rows_, "transposed_product", "y must be (..., O=" + std::to_string(rows_) + ")",
                y.shape());
  if (tensor_.defined()) return ops::transposed_product_call(ctx, y, tensor_);
  return {.m = y.elements() / rows_,
          .n = cols_,
          .k = rows_,
          .a = y.data<float>(),
          .b_row = row_decoder(),
          .packed = operand(ctx, false)};
}

std::function<void(int64_t, float*)> Weight::row_decoder() const {
  return [this](int64_t row, float* out) { decode_row(row, out); };
}

bool Weight::is_turned_as_floats(const Context& ctx) const {
  return tensor_.defined() || has_floats() || !TurnedBlocks::fit(ctx, rows_);
}

void Weight::add_turned(Context& ctx, const BackFactors& factors) {
  const auto& [w, y, sum, plus] = factors;
  require_shape(y.dim(-1) == w->rows_, "transposed_product", "y must be (..., O=" + std::to_string(w->rows_) + ")",
                y.shape());
  const bool add = sum->defined();
  if (!add) *sum = ctx.empty(y.shape().with_last(w->cols_));
  const TurnedBlocks::Gradients gradients{y.data<float>(), y.elements() / w->rows_, sum->data<float>(), add, plus};
  if (w->turned_) return w->turned_->product(ctx, gradients);
  TurnedBlocks::product_once(ctx, {w->rows_, w->cols_, w->row_decoder()}, gradients);
}

void Weight::transposed_products(Context& ctx, std::span<const BackFactors> factors) {
  const OpTimer timer(ctx, "product back");
  // Those of blocks first: they are made at once, and the others when all are known.
  for (const BackFactors& one : factors) {
    if (!one.weight->is_turned_as_floats(ctx)) add_turned(ctx, one);
  }
  std::vector<MatmulCall> calls;
  for (const auto& [weight, y, sum, plus] : factors) {
    if (!weight->is_turned_as_floats(ctx)) continue;
    calls.push_back(weight->transposed_product_call(ctx, y));
    ops::add_into(ctx, *sum, y.shape().with_last(weight->cols_), calls.back());
    calls.back().plus = plus;
  }
  if (!calls.empty()) ops::multiply(ctx, calls);
}

Tensor Weight::transposed_product(Context& ctx, const Tensor& y) const {
  Tensor out;
  const BackFactors one[] = {{this, y, &out}};
  transposed_products(ctx, one);
  return out;
}

void Weight::decode_row(int64_t row, float* out) const {
  if (stands_alone_) {
    operand_row_(*back_, row, out);
  } else if (packed_) {
    packed_->gather(row, out);
  } else {
    const MatrixView matrix = view();
    matrix.format->decode(matrix.bytes + row * matrix.row_bytes(), out, cols_);
  }
}

Tensor Weight::gather(Context& ctx, std::span<const int32_t> ids) const {
  if (tensor_.defined()) return ops::gather_rows(ctx, tensor_, ids);
  const OpTimer timer(ctx, "gather");
  for (const int32_t id : ids) {
    require_shape(id >= 0 && id < rows_, "gather", "id " + std::to_string(id) + " must be a row", Shape{rows_, cols_});
  }
  Tensor out = ctx.empty({static_cast<int64_t>(ids.size()), cols_});
  if (ctx.meta()) return out;
  constexpr int64_t kWork = 4;  // operations for a number
  ctx.for_rows(out.dim(0), kWork * cols_, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) decode_row(ids[static_cast<size_t>(i)], out.data<float>() + i * cols_);
  });
  return out;
}

Tensor Weight::unpack() const {
  const bool hollow = !stands_alone_ && !packed_ && !tensor_.raw() && !blocks_.bytes;
  if (hollow) return Tensor::empty(DType::kF32, {rows_, cols_}, Device::kMeta);
  Tensor out = Tensor::empty(DType::kF32, {rows_, cols_});
  for (int64_t row = 0; row < rows_; ++row) decode_row(row, out.data<float>() + row * cols_);
  return out;
}

void Weight::pack(Context& ctx, ActivationBits bits, const ReleaseBytes& release) {
  if (packed_ || stands_alone_ || !defined() || !ctx.kernels().pack) return;
  packed_ = ctx.kernels().pack(ctx.pool(), view(), bits, release);
  if (!packed_) return;
  tensor_ = Tensor();
  blocks_ = MatrixView();
  owner_.reset();
}

void Weight::prepack(Context& ctx, bool alone) {
  if (back_ || turned_ || prepacked_bytes(ctx) == 0) return;
  if (!is_turned_as_floats(ctx)) {
    turned_ = TurnedBlocks::keep(ctx, {rows_, cols_, row_decoder()});
    return;
  }
  const FloatProducts& products = ctx.float_products();
  const auto packed = [&](bool transposed) {
    const MatmulCall call{.n = transposed ? rows_ : cols_,
                          .k = transposed ? cols_ : rows_,
                          .b_transposed = transposed,
                          .b_row = row_decoder()};
    const int64_t bytes = products.operand_bytes(call.k, call.n);
    const std::shared_ptr<std::byte> memory = allocate_large(bytes);
    products.pack_operand(ctx.pool(), call, memory.get());
    return std::make_shared<const PackedOperand>(
        PackedOperand{.numbers = products.numbers,
                      .k = call.k,
                      .n = call.n,
                      .bytes = Tensor::view(memory.get(), DType::kU8, {bytes}, memory)});
  };
  back_ = packed(false);
  if (!has_floats()) return;
  forth_ = packed(true);
  if (!alone) return;
  operand_row_ = products.operand_row;
  stands_alone_ = true;
  packed_.reset();
  blocks_ = MatrixView();
  owner_.reset();
}

int64_t Weight::replaced_bytes(const Context& ctx) const {
  if (prepacked_bytes(ctx) == 0 || !has_floats()) return 0;
  const QuantFormat& format = quant_format(format_);
  return rows_ * cols_ / format.block_elements * format.block_bytes;
}

int64_t Weight::prepacked_bytes(const Context& ctx) const {
  const FloatProducts& products = ctx.float_products();
  if (!defined() || tensor_.defined() || !products) return 0;
  if (!is_turned_as_floats(ctx)) return TurnedBlocks::bytes(rows_, cols_);
  return (has_floats() ? 2 : 1) * dtype_bytes(products.numbers) * rows_ * cols_;
}

}  // namespace linnet
