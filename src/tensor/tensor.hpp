// Tensor: a typed, contiguous, row-major view of bytes that something keeps alive.
//
// Ownership: copies share the bytes (Storage is reference-counted). A tensor may view a mapped file, an arena or its
// own allocation. Thread safety: as shared memory; concurrent reads are fine.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tensor/dtype.hpp"
#include "tensor/shape.hpp"

namespace linnet {

// kMeta: a tensor without bytes. The same forward runs on it for memory plans and FLOP counts.
enum class Device : uint8_t { kCpu, kMeta };

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<Half>() {
  return DType::kF16;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::kBF16;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::kI64;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::kU8;
}

class Tensor {
 public:
  // Every allocation begins on such a boundary: a cache line, and a 512-bit register.
  static constexpr size_t kAlignment = 64;

  Tensor() = default;  // no tensor: defined() is false

  static Tensor empty(DType dtype, Shape shape, Device device = Device::kCpu);  // uninitialised
  static Tensor zeros(DType dtype, Shape shape);
  static Tensor from(std::span<const float> values, Shape shape);
  static Tensor from(std::span<const int32_t> values, Shape shape);
  // A view of bytes that `owner` keeps alive (null: the caller does). Requires bytes to hold shape.
  static Tensor view(const std::byte* bytes, DType dtype, Shape shape, std::shared_ptr<const void> owner);

  bool defined() const { return defined_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int i) const { return shape_[i]; }
  int64_t elements() const { return shape_.elements(); }
  int64_t bytes() const { return elements() * dtype_bytes(dtype_); }
  Device device() const { return defined_ && !data_ && elements() > 0 ? Device::kMeta : Device::kCpu; }

  // Requires dtype_of<T>() == dtype().
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(typed(dtype_of<T>()));
  }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(typed(dtype_of<T>()));
  }
  template <class T>
  std::span<T> span() {
    return {data<T>(), static_cast<size_t>(elements())};
  }
  template <class T>
  std::span<const T> span() const {
    return {data<T>(), static_cast<size_t>(elements())};
  }
  std::byte* raw() { return data_; }
  const std::byte* raw() const { return data_; }

  // Whether no other tensor shares the bytes, so that who holds this one may overwrite them.
  bool unique() const { return owner_.use_count() == 1; }

  // The same bytes under another shape. Requires equal element counts.
  Tensor reshape(Shape shape) const;
  // Rows [begin, begin + count) of the first dimension, as a view.
  Tensor rows(int64_t begin, int64_t count) const;
  Tensor clone() const;

  // Identity on the autograd tape; kNoGrad where nothing asks for a gradient. See ops/context.hpp.
  static constexpr int32_t kNoGrad = -1;
  int32_t grad_id() const { return grad_id_; }
  void set_grad_id(int32_t id) { grad_id_ = id; }

 private:
  std::byte* typed(DType dtype) const;

  std::shared_ptr<const void> owner_;
  std::byte* data_ = nullptr;
  Shape shape_;
  DType dtype_ = DType::kF32;
  bool defined_ = false;
  int32_t grad_id_ = kNoGrad;
};

// Any dtype as float32 (integers by value). A float32 tensor is returned as it is.
Tensor to_f32(const Tensor& tensor);
// Float32 as F32, F16 or BF16, rounded to nearest even.
Tensor to_dtype(const Tensor& tensor, DType dtype);
// (O, C) float32 -> (C, O), in memory of its own.
Tensor transpose(const Tensor& matrix);

// Throws ShapeError "[op] what must be expected, got shape" unless condition.
void require_shape(bool condition, const char* op, const std::string& what, const Shape& got);

}  // namespace linnet
