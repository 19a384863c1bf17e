#include "formats/tensor_writer.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

namespace linnet {

TensorBytes TensorBytes::of(Tensor tensor) {
  const auto owner = std::make_shared<const Tensor>(std::move(tensor));
  return {{owner->raw(), static_cast<size_t>(owner->bytes())}, owner};
}

TensorBytes TensorBytes::of(std::vector<std::byte> bytes) {
  const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {*owner, owner};
}

TensorToWrite TensorToWrite::copy_of(const StoredTensor& tensor) {
  return {tensor.name, tensor, tensor.shape, [tensor]() -> Result<TensorBytes> {
            const StoredTensor whole = with_whole_blocks(tensor);
            return TensorBytes{whole.bytes, whole.owner};
          }};
}

TensorToWrite TensorToWrite::of(std::string name, const Tensor& tensor) {
  return {std::move(name), ElementType::of(tensor.dtype()), tensor.shape(),
          [tensor]() -> Result<TensorBytes> { return TensorBytes::of(tensor); }};
}

Result<Tensor> narrowed(const Tensor& numbers, DType dtype, const std::string& name) {
  Tensor out = to_dtype(numbers, dtype);
  const QuantFormat& format = *ElementType::of(dtype).format;
  if (format.first_not_finite(out.raw(), out.elements()) < 0) return out;
  return does_not_fit(numbers.span<float>(), format.name, "tensor " + name,
                      dtype == DType::kF16 ? "--dtype bf16 or f32" : "--dtype f32");
}

Error does_not_fit(std::span<const float> values, std::string_view format, const std::string& place,
                   const std::string& wider) {
  float largest = 0;
  for (const float value : values) {
    // A model that is loaded has finite numbers.
    if (!std::isfinite(value)) {
      return invalid("what is folded in makes a number infinite", place, "take less of it: --adapter NAME=SCALE");
    }
    if (std::abs(value) > std::abs(largest)) largest = value;
  }
  return invalid(fmt::format("its largest number, {:g}, is beyond what {} holds", largest, format), place,
                 "take a wider type: " + wider);
}

Status check_tensors(const std::vector<TensorToWrite>& tensors, const std::string& place) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorToWrite& tensor : tensors) {
    if (tensor.name.empty()) return invalid("a tensor without a name cannot be written", place);
    const int64_t row = tensor.shape.rank() ? tensor.shape[-1] : 1;
    if (row % tensor.type.block_elements() != 0) {
      return invalid(fmt::format("tensor \"{}\" has rows of {} elements, not a multiple of {}'s blocks of {}",
                                 tensor.name, row, tensor.type.type_name(), tensor.type.block_elements()),
                     place);
    }
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return invalid(fmt::format("two tensors are named \"{}\"", *twice), place);
  return ok_status();
}

Status write_tensor(AtomicFile& file, const TensorToWrite& tensor) {
  TRY_ASSIGN(const TensorBytes produced, tensor.produce());
  CHECK(produced.bytes.size() == tensor.bytes());
  return file.write(produced.bytes);
}

Status write_zeros(AtomicFile& file, uint64_t count) {
  constexpr size_t kChunk = 4096;
  const std::byte zeros[kChunk] = {};
  for (; count > 0; count -= std::min<uint64_t>(count, kChunk)) {
    TRY(file.write(std::span(zeros, std::min<uint64_t>(count, kChunk))));
  }
  return ok_status();
}

}  // namespace linnet
