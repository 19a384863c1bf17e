#include "tensor/buffer_pool.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "base/large_memory.hpp"

namespace linnet {

namespace {

constexpr std::align_val_t kAlign{Tensor::kAlignment};

// From here on a buffer is worth a search, and goes back to the system when others need the room. It has pages of its
// own: a heap would keep what is given up.
constexpr size_t kLarge = size_t{1} << 17;

std::byte* allocate(size_t size) {
  return size >= kLarge ? map_pages(size) : static_cast<std::byte*>(::operator new(size, kAlign));
}

void deallocate(std::byte* bytes, size_t size) {
  if (!bytes) return;
  size >= kLarge ? unmap_pages(bytes, size) : ::operator delete(bytes, kAlign);
}

}  // namespace

struct BufferPool::State {
  struct Buffer {
    std::byte* bytes = nullptr;  // null: of the meta device, or to be allocated
    size_t size = 0;
    size_t touched = 0;  // as far as a tensor ever reached
  };
  using Free = std::map<size_t, std::vector<Buffer>>;  // by size; no list is empty

  mutable std::mutex mutex;
  Free free;
  uint64_t in_use = 0;
  uint64_t held = 0;
  uint64_t peak = 0;
  uint64_t touched = 0;
  uint64_t touched_peak = 0;

  // A free buffer of this size; a larger one up to half as much, where it is large: rows of other lengths share them.
  // Otherwise one that is to be allocated, for which free ones are given up where all together would be more than ever
  // before.
  Buffer take(size_t size) {
    auto found = free.lower_bound(size);
    const size_t most = size < kLarge ? size : size + size / 2;
    if (found != free.end() && found->first <= most) return take_from(found);
    if (size >= kLarge && held + size > peak) give_up(held + size - peak);
    held += size;
    peak = std::max(peak, held);
    return {.size = size};
  }

  void release(const Buffer& buffer) {
    deallocate(buffer.bytes, buffer.size);
    touched -= buffer.touched;
    held -= buffer.size;
  }

 private:
  Buffer take_from(Free::iterator list) {
    const Buffer buffer = list->second.back();
    list->second.pop_back();
    if (list->second.empty()) free.erase(list);
    return buffer;
  }

  // Releases large free buffers of about `size` bytes together: the smallest that is enough, else the largest ones.
  void give_up(size_t size) {
    for (size_t released = 0; released < size && !free.empty();) {
      auto list = free.lower_bound(size - released);
      if (list == free.end()) --list;
      if (list->first < kLarge) return;
      const Buffer buffer = take_from(list);
      release(buffer);
      released += buffer.size;
    }
  }
};

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
  for (const auto& [size, list] : state_->free) {
    for (const State::Buffer& buffer : list) state_->release(buffer);
  }
  state_->free.clear();
}

Tensor BufferPool::empty(DType dtype, Shape shape, Device device) {
  const auto bytes = static_cast<size_t>(shape.elements() * dtype_bytes(dtype));
  State::Buffer buffer;
  {
    const std::lock_guard lock(state_->mutex);
    buffer = state_->take(rounded(bytes));
    state_->in_use += buffer.size;
    state_->touched += std::max(bytes, buffer.touched) - buffer.touched;
    state_->touched_peak = std::max(state_->touched_peak, state_->touched);
    buffer.touched = std::max(bytes, buffer.touched);
  }
  if (!buffer.bytes && device == Device::kCpu) {
    buffer.bytes = allocate(buffer.size);
  }
  const auto give_back = [pool = shared_from_this(), size = buffer.size, touched = buffer.touched](std::byte* p) {
    const std::lock_guard lock(pool->state_->mutex);
    pool->state_->free[size].push_back({p, size, touched});
    pool->state_->in_use -= size;
  };
  return Tensor::view(buffer.bytes, dtype, shape, std::shared_ptr<std::byte>(buffer.bytes, give_back));
}

uint64_t BufferPool::bytes_in_use() const {
  const std::lock_guard lock(state_->mutex);
  return state_->in_use;
}

uint64_t BufferPool::bytes_peak() const {
  const std::lock_guard lock(state_->mutex);
  return state_->peak;
}

uint64_t BufferPool::touched_peak() const {
  const std::lock_guard lock(state_->mutex);
  return state_->touched_peak;
}

}  // namespace linnet
