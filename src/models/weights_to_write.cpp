#include "models/weights_to_write.hpp"

#include <algorithm>

namespace linnet {

namespace {

// The numbers of one expert (or of the only part) as safetensors holds them. `offset` is taken off vectors.
Tensor numbers_of(const TensorSpec& spec, const Slot& slot, size_t expert, float offset) {
  if (spec.shape.rank() == 2) {
    const Tensor matrix = slot.parts[expert].merged();
    return spec.transposed ? transpose(matrix) : matrix;
  }
  Tensor vector = spec.bias ? slot.parts[expert].bias : slot.vector;
  if (offset == 0) return vector;
  Tensor out = vector.clone();
  for (float& x : out.span<float>()) x -= offset;
  return out;
}

TensorToWrite one(const TensorSpec& spec, const Slot& slot, size_t expert, float offset, DType dtype) {
  TensorToWrite tensor{
      name_of_expert(spec.name, static_cast<int64_t>(expert)), ElementType::of(dtype), stored_shape(spec), {}};
  tensor.produce = [&spec, &slot, expert, offset, dtype]() -> Result<TensorBytes> {
    const Tensor numbers = numbers_of(spec, slot, expert, offset);
    TRY_ASSIGN(Tensor out, narrowed(numbers, dtype, name_of_expert(spec.name, static_cast<int64_t>(expert))));
    return TensorBytes::of(std::move(out));
  };
  return tensor;
}

TensorToWrite stacked(const TensorSpec& spec, const Slot& slot, DType dtype) {
  const Shape shape = stored_shape(spec);
  TensorToWrite tensor{spec.name, ElementType::of(dtype), shape, {}};
  tensor.produce = [&spec, &slot, shape, dtype]() -> Result<TensorBytes> {
    Tensor all = Tensor::empty(DType::kF32, shape);
    for (int64_t e = 0; e < spec.experts; ++e) {
      const Tensor numbers = numbers_of(spec, slot, static_cast<size_t>(e), 0);
      std::copy_n(numbers.data<float>(), numbers.elements(), all.data<float>() + e * numbers.elements());
    }
    TRY_ASSIGN(Tensor out, narrowed(all, dtype, spec.name));
    return TensorBytes::of(std::move(out));
  };
  return tensor;
}

}  // namespace

std::vector<TensorToWrite> weights_to_write(const Transformer& weights, DType dtype) {
  std::vector<TensorToWrite> out;
  for (const TensorSpec& spec : weights.table()) {
    const Slot& slot = weights.slot_of(spec);
    const float offset = weights.config().norm_offset == 0 ? spec.gguf_offset : 0;
    if (spec.stacked) {
      out.push_back(stacked(spec, slot, dtype));
      continue;
    }
    for (size_t e = 0; e < static_cast<size_t>(std::max<int64_t>(spec.experts, 1)); ++e) {
      out.push_back(one(spec, slot, e, offset, dtype));
    }
  }
  return out;
}

}  // namespace linnet
