// Reuses the memory of freed tensors: a forward allocates the same few sizes thousands of times.
//
// Large tensors are cut from an arena, whose free memory serves any size; small ones come in four size classes per
// power of two, so that at most a quarter is wasted. Ownership: a tensor keeps its pool alive. Thread safety: empty()
// and the release of tensors may happen on any thread.
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/tensor.hpp"

namespace linnet {

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  static std::shared_ptr<BufferPool> create() { return std::shared_ptr<BufferPool>(new BufferPool()); }
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // From so many bytes on, tensors are cut from the arena. Smaller ones come from the heap, where that costs less and a
  // sanitizer watches their bounds.
  static constexpr size_t kLarge = size_t{1} << 16;

  // device: the same for all tensors of a pool. Those of Device::kMeta are counted, but take no memory.
  Tensor empty(DType dtype, Shape shape, Device device = Device::kCpu);
  // What `bytes` take.
  static size_t rounded(size_t bytes);
  // Bytes that tensors hold now.
  uint64_t bytes_in_use() const;
  // The most memory that the pool ever had from the system, for tensors and for what lay free between them.
  uint64_t bytes_peak() const;
  // Gives the system back what it can.
  void release_free();

 private:
  BufferPool();
  Tensor small(size_t size, DType dtype, const Shape& shape, Device device);
  Tensor large(size_t size, DType dtype, const Shape& shape, Device device);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linnet
