#include "ops/context.hpp"

#include <algorithm>
#include <cstring>

namespace linnet {

Tensor Context::empty(DType dtype, Shape shape) {
  if (meta()) return Tensor::empty(dtype, shape, Device::kMeta);
  return buffers_->empty(dtype, shape);
}

Tensor Context::zeros(Shape shape) {
  Tensor tensor = empty(DType::kF32, shape);
  if (!meta()) std::memset(tensor.raw(), 0, static_cast<size_t>(tensor.bytes()));
  return tensor;
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
