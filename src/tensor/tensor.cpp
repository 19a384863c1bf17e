#include "tensor/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.hpp"

namespace linnet {

namespace {

std::shared_ptr<std::byte> allocate(int64_t bytes) {
  constexpr auto kAlignment = std::align_val_t{Tensor::kAlignment};
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  return {static_cast<std::byte*>(::operator new(size, kAlignment)),
          [](std::byte* p) { ::operator delete(p, kAlignment); }};
}

}  // namespace

Tensor Tensor::empty(DType dtype, Shape shape, Device device) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.defined_ = true;
  if (device == Device::kCpu) {
    auto storage = allocate(tensor.bytes());
    tensor.data_ = storage.get();
    tensor.owner_ = std::move(storage);
  }
  return tensor;
}

Tensor Tensor::zeros(DType dtype, Shape shape) {
  Tensor tensor = empty(dtype, shape);
  std::memset(tensor.data_, 0, static_cast<size_t>(tensor.bytes()));
  return tensor;
}

Tensor Tensor::from(std::span<const float> values, Shape shape) {
  CHECK(static_cast<int64_t>(values.size()) == shape.elements());
  Tensor tensor = empty(DType::kF32, shape);
  std::copy(values.begin(), values.end(), tensor.data<float>());
  return tensor;
}

Tensor Tensor::from(std::span<const int32_t> values, Shape shape) {
  CHECK(static_cast<int64_t>(values.size()) == shape.elements());
  Tensor tensor = empty(DType::kI32, shape);
  std::copy(values.begin(), values.end(), tensor.data<int32_t>());
  return tensor;
}

Tensor Tensor::view(const std::byte* bytes, DType dtype, Shape shape, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.owner_ = std::move(owner);
  tensor.data_ = const_cast<std::byte*>(bytes);  // a view of a read-only file is only ever read
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.defined_ = true;
  return tensor;
}

std::byte* Tensor::typed(DType dtype) const {
  CHECK(defined_ && dtype == dtype_);
  return data_;
}

Tensor Tensor::reshape(Shape shape) const {
  CHECK(shape.elements() == elements());
  Tensor other = *this;
  other.shape_ = shape;
  return other;
}

Tensor Tensor::rows(int64_t begin, int64_t count) const {
  CHECK(shape_.rank() >= 1 && begin >= 0 && count >= 0 && begin + count <= shape_[0]);
  std::array<int64_t, Shape::kMaxRank> dims{};
  std::copy(shape_.dims().begin(), shape_.dims().end(), dims.begin());
  dims[0] = count;
  Tensor other = *this;
  other.shape_ = Shape(std::span<const int64_t>(dims.data(), static_cast<size_t>(shape_.rank())));
  if (data_) other.data_ += begin * (shape_[0] ? bytes() / shape_[0] : 0);
  return other;
}

Tensor Tensor::clone() const {
  Tensor copy = empty(dtype_, shape_, device());
  if (copy.data_) std::memcpy(copy.data_, data_, static_cast<size_t>(bytes()));
  return copy;
}

namespace {

template <class T, class Convert>
void convert_all(const std::byte* from, std::span<float> to, const Convert& convert) {
  for (size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));  // a file's tensors need not be aligned
    to[i] = convert(value);
  }
}

}  // namespace

Tensor to_f32(const Tensor& tensor) {
  if (tensor.dtype() == DType::kF32) return tensor;
  Tensor out = Tensor::empty(DType::kF32, tensor.shape(), tensor.device());
  if (out.device() == Device::kMeta) return out;
  const auto to = out.span<float>();
  const std::byte* from = tensor.raw();
  const auto by_value = [](auto v) { return static_cast<float>(v); };
  switch (tensor.dtype()) {
    case DType::kF32:
      break;
    case DType::kF16:
      convert_all<Half>(from, to, [](Half v) { return to_float(v); });
      break;
    case DType::kBF16:
      convert_all<BFloat16>(from, to, [](BFloat16 v) { return to_float(v); });
      break;
    case DType::kF64:
      convert_all<double>(from, to, by_value);
      break;
    case DType::kF8E4M3:
      convert_all<uint8_t>(from, to, f8_e4m3_to_float);
      break;
    case DType::kF8E5M2:
      convert_all<uint8_t>(from, to, f8_e5m2_to_float);
      break;
    case DType::kI64:
      convert_all<int64_t>(from, to, by_value);
      break;
    case DType::kI32:
      convert_all<int32_t>(from, to, by_value);
      break;
    case DType::kI16:
      convert_all<int16_t>(from, to, by_value);
      break;
    case DType::kI8:
      convert_all<int8_t>(from, to, by_value);
      break;
    case DType::kU8:
    case DType::kBool:
      convert_all<uint8_t>(from, to, by_value);
      break;
  }
  return out;
}

Tensor to_dtype(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  const Tensor source = to_f32(tensor);
  if (dtype == DType::kF32) return source;
  CHECK(dtype == DType::kF16 || dtype == DType::kBF16);
  Tensor out = Tensor::empty(dtype, tensor.shape(), tensor.device());
  if (out.device() == Device::kMeta) return out;
  const auto from = source.span<float>();
  for (size_t i = 0; i < from.size(); ++i) {
    if (dtype == DType::kF16) {
      out.data<Half>()[i] = to_half(from[i]);
    } else {
      out.data<BFloat16>()[i] = to_bfloat16(from[i]);
    }
  }
  return out;
}

Tensor transpose(const Tensor& matrix) {
  const int64_t rows = matrix.dim(0);
  const int64_t cols = matrix.dim(1);
  Tensor out = Tensor::empty(DType::kF32, {cols, rows});
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out.data<float>()[c * rows + r] = matrix.data<float>()[r * cols + c];
  }
  return out;
}

void require_shape(bool condition, const char* op, const std::string& what, const Shape& got) {
  if (!condition) throw ShapeError("[" + std::string(op) + "] " + what + ", got " + got.to_string());
}

}  // namespace linnet
