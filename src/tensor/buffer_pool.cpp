#include "tensor/buffer_pool.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "tensor/arena.hpp"

namespace linnet {

namespace {

constexpr std::align_val_t kAlign{Tensor::kAlignment};

}  // namespace

struct BufferPool::State {
  ~State() { release_small(); }

  void release_small() {
    for (const auto& [size, list] : small) {
      for (std::byte* bytes : list) ::operator delete(bytes, kAlign);
      small_held -= size * list.size();
    }
    small.clear();
  }

  std::byte* take_small(size_t size, Device device) {
    if (const auto found = small.find(size); found != small.end() && !found->second.empty()) {
      std::byte* bytes = found->second.back();
      found->second.pop_back();
      return bytes;
    }
    small_held += size;
    return device == Device::kCpu ? static_cast<std::byte*>(::operator new(size, kAlign)) : nullptr;
  }

  void count(size_t taken) {
    in_use += taken;
    peak = std::max(peak, small_held + arena.touched());
  }

  mutable std::mutex mutex;
  std::map<size_t, std::vector<std::byte*>> small;  // free ones by size; null on the meta device
  uint64_t small_held = 0;
  Arena arena;
  uint64_t in_use = 0;
  uint64_t peak = 0;
};

size_t BufferPool::rounded(size_t bytes) {
  constexpr size_t kSmallest = 256;
  if (bytes <= kSmallest) return kSmallest;
  constexpr size_t kLeastUnit = Tensor::kAlignment;
  const size_t unit = bytes < kLarge ? std::max(std::bit_floor(bytes - 1) / 4, kLeastUnit) : kLeastUnit;
  return (bytes + unit - 1) / unit * unit;
}

BufferPool::BufferPool() : state_(std::make_unique<State>()) {}
BufferPool::~BufferPool() = default;

void BufferPool::release_free() {
  const std::lock_guard lock(state_->mutex);
  state_->release_small();
  state_->arena.release_free();
}

Tensor BufferPool::empty(DType dtype, Shape shape, Device device) {
  const size_t size = rounded(static_cast<size_t>(shape.elements() * dtype_bytes(dtype)));
  return size < kLarge ? small(size, dtype, shape, device) : large(size, dtype, shape, device);
}

Tensor BufferPool::small(size_t size, DType dtype, const Shape& shape, Device device) {
  std::byte* bytes = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    bytes = state_->take_small(size, device);
    state_->count(size);
  }
  const auto give_back = [pool = shared_from_this(), size](std::byte* p) {
    const std::lock_guard lock(pool->state_->mutex);
    pool->state_->small[size].push_back(p);
    pool->state_->in_use -= size;
  };
  return Tensor::view(bytes, dtype, shape, std::shared_ptr<std::byte>(bytes, give_back));
}

Tensor BufferPool::large(size_t size, DType dtype, const Shape& shape, Device device) {
  Arena::Block block;
  {
    const std::lock_guard lock(state_->mutex);
    block = state_->arena.take(size, device);
    state_->count(block.size);
  }
  const auto give_back = [pool = shared_from_this(), block](std::byte* /*bytes*/) {
    const std::lock_guard lock(pool->state_->mutex);
    pool->state_->arena.give_back(block);
    pool->state_->in_use -= block.size;
  };
  return Tensor::view(block.bytes, dtype, shape, std::shared_ptr<std::byte>(block.bytes, give_back));
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
