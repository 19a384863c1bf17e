// What an op needs besides its tensors: threads, memory, kernels, and who records for the backward pass.
//
// Ownership: Context borrows the pool and the kernel table, which must outlive it. Thread safety: one thread at a time.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "tensor/buffer_pool.hpp"
#include "tensor/tensor.hpp"

namespace linnet {

struct FloatProducts;
struct KernelTable;
class Context;
class OpClock;

// Vector-Jacobian product of one op call: from the gradients of its outputs (undefined where nothing flowed back) to
// one gradient per recorded input (undefined where that input asks for none).
using Vjp = std::function<std::vector<Tensor>(Context&, std::span<const Tensor> grad_outputs)>;

// Computes a piece of a graph, on a Context that records or does not.
using GraphPiece = std::function<Tensor(Context&)>;

// Implemented by autograd's tape; ops only know this much of it.
class GradRecorder {
 public:
  virtual ~GradRecorder() = default;
  // Gives each output an identity and remembers how to go back from it to the inputs.
  virtual void record(std::span<const Tensor> inputs, std::span<Tensor* const> outputs, Vjp vjp) = 0;
  // The same of a whole piece, which is computed once more, and recorded then, on the way back.
  virtual void record_again(Tensor& output, GraphPiece piece) = 0;
};

// What is summed so far of gradients, while a graph is walked back. Implemented by autograd's tape.
class GradSums {
 public:
  virtual ~GradSums() = default;
  // The sum of an identity; undefined where there is none, or others hold it, too.
  virtual Tensor take(int32_t id) = 0;
};

class PackedWeights;
class Weight;

// Sees what goes into products with weight matrices (nn/weight.hpp): the statistics of activations. Ops only pass it
// on.
class ProductObserver {
 public:
  virtual ~ProductObserver() = default;
  // x: (..., C) float32, about to be multiplied with `weight`.
  virtual void observe(const Weight& weight, const Tensor& x) = 0;
};

class Context {
 public:
  Context(ThreadPool& pool, const KernelTable& kernels, Device device = Device::kCpu)
      : pool_(&pool), kernels_(&kernels), buffers_(BufferPool::create()), device_(device) {}

  ThreadPool& pool() { return *pool_; }
  const KernelTable& kernels() const { return *kernels_; }
  BufferPool& buffers() { return *buffers_; }
  // On kMeta forward and backward run without numbers: what buffers() then counts is what they would take.
  Device device() const { return device_; }
  bool meta() const { return device_ == Device::kMeta; }

  // Uninitialised memory for a result.
  Tensor empty(DType dtype, Shape shape);
  Tensor empty(Shape shape) { return empty(DType::kF32, shape); }
  Tensor zeros(Shape shape);

  // What teaching computes products of float matrices in: kF32, or kBF16, where the instruction set has kernels that
  // round their inputs to it and are faster. Without it, those of tensors are in float32, and frozen matrices are
  // multiplied as inference packed them.
  void set_compute(std::optional<DType> dtype) { compute_ = dtype; }
  std::optional<DType> compute() const { return compute_; }
  const FloatProducts& float_products() const;

  // Null while nothing is to be differentiated.
  void set_recorder(GradRecorder* recorder) { recorder_ = recorder; }
  GradRecorder* recorder() const { return recorder_; }

  // Whether models drop what they compute inside of a layer, and compute it again on the way back: a third more
  // arithmetic for a fraction of the memory (T. Chen et al. 2016, arXiv:1604.06174). The same bits.
  void set_recompute(bool recompute) { recompute_ = recompute; }
  bool recompute() const { return recompute_; }
  // What `piece` gives, with nothing kept of what it computes inside. While somebody records, `piece` is called again
  // with this context on the way back, and must do the same then.
  Tensor recomputed(GraphPiece piece);

  // Null while no graph is walked back.
  void set_grad_sums(GradSums* sums) { grad_sums_ = sums; }
  GradSums* grad_sums() const { return grad_sums_; }
  // What is summed so far of the gradient of `input`, for a vjp to add to and return in the place of its own gradient.
  // Undefined where there is nothing to add to.
  Tensor take_grad_sum(const Tensor& input) {
    return grad_sums_ && input.grad_id() != Tensor::kNoGrad ? grad_sums_->take(input.grad_id()) : Tensor();
  }

  // Null while weights may change from product to product; see ops/packed_weights.hpp.
  void set_packed_weights(PackedWeights* packed) { packed_weights_ = packed; }
  PackedWeights* packed_weights() const { return packed_weights_; }

  // Null while nobody looks at activations.
  void set_observer(ProductObserver* observer) { observer_ = observer; }
  ProductObserver* observer() const { return observer_; }

  // Null while nobody asks where the time goes; see ops/op_clock.hpp.
  void set_clock(OpClock* clock) { clock_ = clock; }
  OpClock* clock() const { return clock_; }

  // Called by every op once its outputs stand: records the call when some input asks for a gradient.
  void record(std::initializer_list<Tensor> inputs, std::initializer_list<Tensor*> outputs, Vjp vjp);
  void record(std::span<const Tensor> inputs, std::span<Tensor* const> outputs, Vjp vjp);

  // Calls body(begin, end) over [0, rows) on the pool. `work_per_row` is a rough count of operations: small jobs stay
  // on this thread, since waking another costs a few microseconds.
  template <class Body>
  void for_rows(int64_t rows, int64_t work_per_row, const Body& body) {
    constexpr int64_t kWorthAThread = 1 << 15;
    const int64_t grain = std::max<int64_t>(1, kWorthAThread / std::max<int64_t>(work_per_row, 1));
    pool_->parallel_for(rows, grain, [&](int64_t begin, int64_t end, int) { body(begin, end); });
  }

 private:
  ThreadPool* pool_;
  const KernelTable* kernels_;
  std::shared_ptr<BufferPool> buffers_;
  GradRecorder* recorder_ = nullptr;
  GradSums* grad_sums_ = nullptr;
  PackedWeights* packed_weights_ = nullptr;
  ProductObserver* observer_ = nullptr;
  OpClock* clock_ = nullptr;
  Device device_;
  std::optional<DType> compute_;
  bool recompute_ = false;
};

// While it lives, `recorder` records what the ops of `ctx` do; null: nobody does. Then the one before goes on.
class RecorderScope {
 public:
  RecorderScope(Context& ctx, GradRecorder* recorder) : ctx_(ctx), before_(ctx.recorder()) {
    ctx.set_recorder(recorder);
  }
  ~RecorderScope() { ctx_.set_recorder(before_); }
  RecorderScope(const RecorderScope&) = delete;
  RecorderScope& operator=(const RecorderScope&) = delete;

 private:
  Context& ctx_;
  GradRecorder* before_;
};

inline bool wants_grad(const Tensor& tensor) {
  return tensor.defined() && tensor.grad_id() != Tensor::kNoGrad;
}

}  // namespace linnet
