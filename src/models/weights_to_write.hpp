// A model's weights on their way to safetensors, under Hugging Face's names and in its layout.
// Ownership: borrows the weights. Thread safety: pure functions.
#pragma once

#include <vector>

#include "formats/tensor_writer.hpp"
#include "models/transformer.hpp"

namespace linnet {

// Every tensor of the table, adapters merged, as `dtype` (F32, F16 or BF16). Where a number does not fit it, producing
// the tensor is an error.
std::vector<TensorToWrite> weights_to_write(const Transformer& weights, DType dtype);

}  // namespace linnet
