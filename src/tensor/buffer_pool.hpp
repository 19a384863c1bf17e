// Reuses the buffers of freed tensors: a forward allocates the same few sizes thousands of times.
//
// Sizes are rounded up to four classes per power of two, so at most a quarter is wasted. A free buffer serves large
// tensors of up to a third less, and goes back to the system where one of another size is needed: what is held together
// is about what was ever in use together.
// Ownership: a tensor keeps its pool alive. Thread safety: take() and the release of tensors may happen on any thread.
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

  // Of Device::kMeta: counted like any other, but no memory is taken.
  Tensor empty(DType dtype, Shape shape, Device device = Device::kCpu);
  // The size of the buffer that `bytes` get.
  static size_t rounded(size_t bytes);
  // Bytes that tensors hold now, and the most that they and the free lists ever held together.
  uint64_t bytes_in_use() const;
  uint64_t bytes_peak() const;
  // The most, of what was held together, that tensors reached: what a system that gives memory as it is written to
  // gave.
  uint64_t touched_peak() const;
  void release_free();

 private:
  BufferPool();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linnet
