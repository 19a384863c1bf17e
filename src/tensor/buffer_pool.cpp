#include "tensor/buffer_pool.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace linnet {

struct BufferPool::State {
  mutable std::mutex mutex;
  std::map<size_t, std::vector<std::byte*>> free;
  uint64_t in_use = 0;
  uint64_t held = 0;
  uint64_t peak = 0;
};

namespace {

constexpr std::align_val_t kAlign{Tensor::kAlignment};

}  // namespace

size_t BufferPool::rounded(size_t bytes) {
  constexpr size_t kSmallest = 256;
  if (bytes <= kSmallest) return kSmallest;
  const size_t quarter = std::bit_floor(bytes - 1) / 4;
  return (bytes + quarter - 1) / quarter * quarter;
}

BufferPool::BufferPool() : state_(std::make_unique<State>()) {}

BufferPool::~BufferPool() {
  release_free();
}

void BufferPool::release_free() {
  const std::lock_guard lock(state_->mutex);
  for (auto& [size, list] : state_->free) {
    for (std::byte* buffer : list) ::operator delete(buffer, kAlign);
    state_->held -= size * list.size();
  }
  state_->free.clear();
}

Tensor BufferPool::empty(DType dtype, Shape shape) {
  const auto bytes = static_cast<size_t>(shape.elements() * dtype_bytes(dtype));
  const size_t size = rounded(bytes);
  std::byte* buffer = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    auto& list = state_->free[size];
    if (!list.empty()) {
      buffer = list.back();
      list.pop_back();
    } else {
      state_->held += size;
      state_->peak = std::max(state_->peak, state_->held);
    }
    state_->in_use += size;
  }
  if (!buffer) buffer = static_cast<std::byte*>(::operator new(size, kAlign));
  std::shared_ptr<std::byte> owner(buffer, [pool = shared_from_this(), size](std::byte* p) {
    const std::lock_guard lock(pool->state_->mutex);
    pool->state_->free[size].push_back(p);
    pool->state_->in_use -= size;
  });
  return Tensor::view(buffer, dtype, shape, std::move(owner));
}

uint64_t BufferPool::bytes_in_use() const {
  const std::lock_guard lock(state_->mutex);
  return state_->in_use;
}

uint64_t BufferPool::bytes_peak() const {
  const std::lock_guard lock(state_->mutex);
  return state_->peak;
}

}  // namespace linnet
