#include "formats/stored_tensor.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <numeric>

#include "base/check.hpp"
#include "quant/mxfp4.hpp"

namespace linnet {

namespace {

struct FloatPair {
  DType dtype;
  QuantType type;
};
constexpr FloatPair kFloats[] = {{DType::kF32, QuantType::kF32},
                                 {DType::kF16, QuantType::kF16},
                                 {DType::kBF16, QuantType::kBF16},
                                 {DType::kF8E4M3, QuantType::kF8E4M3},
                                 {DType::kF8E5M2, QuantType::kF8E5M2}};

struct PlainGgmlType {
  uint32_t ggml_type;
  DType dtype;
};
// The types of GGUF that are not weights' formats.
constexpr PlainGgmlType kPlainGgmlTypes[] = {
    {24, DType::kI8}, {25, DType::kI16}, {26, DType::kI32}, {27, DType::kI64}, {28, DType::kF64}};

bool is_aligned(const std::byte* bytes, int64_t alignment) {
  return reinterpret_cast<uintptr_t>(bytes) % static_cast<uintptr_t>(alignment) == 0;
}

void apply_scale(const WeightScale& scale, int64_t first, int64_t count, int64_t columns, float* out) {
  const Tensor& values = scale.values;
  for (int64_t row = 0; row < count; ++row) {
    const int64_t matrix = values.dim(0) == 1 ? 0 : (first + row) / scale.rows;
    const int64_t block_row = (first + row) % scale.rows / scale.block_rows;
    const float* factors = values.data<float>() + (matrix * values.dim(1) + block_row) * values.dim(2);
    for (int64_t begin = 0; begin < columns; begin += scale.block_columns) {
      const float factor = factors[begin / scale.block_columns];
      const int64_t end = std::min(columns, begin + scale.block_columns);
      for (int64_t column = begin; column < end; ++column) out[row * columns + column] *= factor;
    }
  }
}

// Of matrix `index` of a stack (rank 3), or of row `index` of a matrix (rank 2).
std::shared_ptr<const WeightScale> part_of_scale(const WeightScale& all, int rank, int64_t index) {
  auto part = std::make_shared<WeightScale>(all);
  if (rank == 3) {
    if (all.values.dim(0) > 1) part->values = all.values.rows(index, 1);
    return part;
  }
  const int64_t columns = all.values.dim(2);
  const Tensor rows = all.values.reshape({all.values.dim(1), columns});
  part->values = rows.rows(index / all.block_rows, 1).reshape({1, 1, columns});
  part->rows = part->block_rows = 1;
  return part;
}

}  // namespace

ElementType ElementType::of(DType dtype) {
  for (const FloatPair& pair : kFloats) {
    if (pair.dtype == dtype) return {&quant_format(pair.type), dtype};
  }
  return {nullptr, dtype};
}

ElementType ElementType::of(const QuantFormat& format) {
  for (const FloatPair& pair : kFloats) {
    if (pair.type == format.type) return {&format, pair.dtype};
  }
  return {&format, std::nullopt};
}

DType ElementType::plain() const {
  CHECK(dtype.has_value());
  return *dtype;
}

std::string_view ElementType::type_name() const {
  return format ? format->name : dtype_name(plain());
}

int64_t ElementType::bytes_of(int64_t elements) const {
  return format ? format->bytes_of(elements) : elements * dtype_bytes(plain());
}

std::optional<uint32_t> ggml_type_of(const ElementType& type) {
  if (type.format) {
    return type.format->ggml_type < 0 ? std::nullopt : std::optional(static_cast<uint32_t>(type.format->ggml_type));
  }
  for (const PlainGgmlType& plain : kPlainGgmlTypes) {
    if (plain.dtype == type.dtype) return plain.ggml_type;
  }
  return std::nullopt;
}

std::optional<ElementType> element_type_of_ggml(uint32_t ggml_type) {
  if (const QuantFormat* format = find_quant_by_ggml(ggml_type)) return ElementType::of(*format);
  for (const PlainGgmlType& plain : kPlainGgmlTypes) {
    if (plain.ggml_type == ggml_type) return ElementType::of(plain.dtype);
  }
  return std::nullopt;
}

Tensor as_tensor(const StoredTensor& tensor) {
  if (is_aligned(tensor.bytes.data(), dtype_bytes(tensor.plain()))) {
    return Tensor::view(tensor.bytes.data(), tensor.plain(), tensor.shape, tensor.owner);
  }
  Tensor copy = Tensor::empty(tensor.plain(), tensor.shape);
  if (!tensor.bytes.empty()) std::memcpy(copy.raw(), tensor.bytes.data(), tensor.bytes.size());
  return copy;
}

Tensor to_f32(const StoredTensor& tensor) {
  if (!tensor.format || (tensor.dtype == DType::kF32 && !tensor.scale)) return to_f32(as_tensor(tensor));
  Tensor out = Tensor::empty(DType::kF32, tensor.shape);
  if (tensor.shape.elements() > 0) decode_rows(tensor, 0, tensor.shape.rows(), out.data<float>());
  return out;
}

void decode_rows(const StoredTensor& tensor, int64_t first, int64_t count, float* out) {
  const int64_t columns = tensor.shape.rank() ? tensor.shape[-1] : 1;
  CHECK(first >= 0 && count >= 0 && first + count <= tensor.shape.rows());
  if (!tensor.split_scales.empty()) {
    const int64_t block = first * columns / tensor.block_elements();
    decode_mxfp4_safetensors(tensor.bytes.data() + block * kMxfp4NibbleBytes, tensor.split_scales.data() + block, out,
                             count * columns / tensor.block_elements());
    return;
  }
  const std::byte* from = tensor.bytes.data() + tensor.bytes_of(first * columns);
  if (tensor.format) {
    tensor.format->decode(from, out, count * columns);
    if (tensor.scale) apply_scale(*tensor.scale, first, count, columns, out);
    return;
  }
  const Tensor rows = to_f32(Tensor::view(from, tensor.plain(), Shape{count, columns}, tensor.owner));
  std::copy_n(rows.data<float>(), count * columns, out);
}

StoredTensor with_whole_blocks(const StoredTensor& tensor) {
  if (tensor.split_scales.empty()) return tensor;
  const auto count = static_cast<int64_t>(tensor.split_scales.size());
  auto blocks = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(count) * sizeof(BlockMXFP4));
  join_mxfp4_safetensors(tensor.bytes.data(), tensor.split_scales.data(), blocks->data(), count);
  StoredTensor whole = tensor;
  whole.split_scales = {};
  whole.bytes = *blocks;
  whole.owner = blocks;
  return whole;
}

StoredTensor matrix_of(const StoredTensor& tensor, int64_t index) {
  CHECK(tensor.shape.rank() > 0 && index >= 0 && index < tensor.shape[0]);
  const auto part = [&](std::span<const std::byte> all) {
    const size_t size = all.size() / static_cast<size_t>(tensor.shape[0]);
    return all.subspan(static_cast<size_t>(index) * size, size);
  };
  StoredTensor matrix = tensor;
  matrix.shape = Shape(tensor.shape.dims().subspan(1));
  matrix.bytes = part(tensor.bytes);
  matrix.split_scales = part(tensor.split_scales);
  if (tensor.scale) matrix.scale = part_of_scale(*tensor.scale, tensor.shape.rank(), index);
  return matrix;
}

Result<TensorSource> TensorSource::of(std::vector<StoredTensor> tensors) {
  TensorSource source;
  source.tensors_ = std::move(tensors);
  source.by_name_.resize(source.tensors_.size());
  std::iota(source.by_name_.begin(), source.by_name_.end(), 0U);
  const auto name_of = [&](uint32_t i) -> const std::string& { return source.tensors_[i].name; };
  std::sort(source.by_name_.begin(), source.by_name_.end(),
            [&](uint32_t a, uint32_t b) { return name_of(a) < name_of(b); });
  const auto twice = std::adjacent_find(source.by_name_.begin(), source.by_name_.end(),
                                        [&](uint32_t a, uint32_t b) { return name_of(a) == name_of(b); });
  if (twice != source.by_name_.end()) {
    const StoredTensor& a = source.tensors_[std::min(twice[0], twice[1])];
    const StoredTensor& b = source.tensors_[std::max(twice[0], twice[1])];
    if (a.file == b.file) return invalid("the file holds two tensors of this name", a.place());
    return invalid("another file of the set holds a tensor of this name: " + b.file, a.place());
  }
  return source;
}

const StoredTensor* TensorSource::find(std::string_view name) const {
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [&](uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  return it != by_name_.end() && tensors_[*it].name == name ? &tensors_[*it] : nullptr;
}

Result<const StoredTensor*> TensorSource::get(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return tensor;
  return not_found(fmt::format("has no tensor \"{}\"", name), tensors_.empty() ? "model" : tensors_.front().file);
}

uint64_t TensorSource::total_bytes() const {
  uint64_t total = 0;
  for (const StoredTensor& tensor : tensors_) total += tensor.stored_bytes();
  return total;
}

Status check_no_overlap(std::vector<ByteRange>& ranges, const std::string& place) {
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin >= ranges[i - 1].end) continue;
    return invalid(fmt::format("tensors \"{}\" and \"{}\" share bytes of the file", ranges[i - 1].name, ranges[i].name),
                   place);
  }
  return ok_status();
}

}  // namespace linnet
