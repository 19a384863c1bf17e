#include "ops/context.hpp"

#include <algorithm>
#include <cstring>

#include "ops/kernel_table.hpp"

namespace linnet {

const FloatProducts& Context::float_products() const {
  return compute_ == DType::kBF16 && kernels_->bf16 ? kernels_->bf16 : kernels_->f32;
}

Tensor Context::empty(DType dtype, Shape shape) {
  return buffers_->empty(dtype, shape, device_);
}

Tensor Context::zeros(Shape shape) {
  Tensor tensor = empty(DType::kF32, shape);
  if (!meta()) std::memset(tensor.raw(), 0, static_cast<size_t>(tensor.bytes()));
  return tensor;
}

namespace {

// Lets ops do what they do while they are recorded, and keeps nothing of it.
class Forgetful : public GradRecorder {
 public:
  void record(std::span<const Tensor>, std::span<Tensor* const> outputs, Vjp) override {
    for (Tensor* output : outputs) output->set_grad_id(kSome);
  }
  void record_again(Tensor& output, GraphPiece) override { output.set_grad_id(kSome); }

 private:
  static constexpr int32_t kSome = 0;  // only whether there is one is looked at
};

}  // namespace

Tensor Context::recomputed(GraphPiece piece) {
  if (!recorder_) return piece(*this);
  GradRecorder* const recorder = recorder_;
  Forgetful forgetful;
  Tensor output;
  {
    const RecorderScope nothing_kept(*this, &forgetful);
    output = piece(*this);
  }
  if (wants_grad(output)) recorder->record_again(output, std::move(piece));
  return output;
}

void Context::record(std::initializer_list<Tensor> inputs, std::initializer_list<Tensor*> outputs, Vjp vjp) {
  record(std::span<const Tensor>(inputs.begin(), inputs.size()),
         std::span<Tensor* const>(outputs.begin(), outputs.size()), std::move(vjp));
}

void Context::record(std::span<const Tensor> inputs, std::span<Tensor* const> outputs, Vjp vjp) {
  if (!recorder_ || std::none_of(inputs.begin(), inputs.end(), wants_grad)) return;
  recorder_->record(inputs, outputs, std::move(vjp));
}

}  // namespace linnet
