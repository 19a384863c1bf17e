#include "base/large_memory.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <sys/mman.h>

#include "base/check.hpp"

namespace linnet {

namespace {

constexpr int64_t kLine = 64;
// Of its last huge page a chunk wastes half on average: many small ones cost a 7B model 3% of its memory.
constexpr int64_t kChunk = 128 * kHugePage;

constexpr int64_t rounded_up(int64_t bytes, int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

class Chunk {
 public:
  explicit Chunk(int64_t bytes)
      : size_(rounded_up(bytes, kHugePage)), begin_(map_huge_pages(static_cast<size_t>(size_))) {}
  ~Chunk() { unmap_pages(begin_, static_cast<size_t>(size_)); }
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  // Null where there is no room left.
  std::byte* take(int64_t bytes) {
    if (bytes > size_ - used_) return nullptr;
    std::byte* piece = begin_ + used_;
    used_ += rounded_up(bytes, kLine);
    return piece;
  }

 private:
  int64_t size_;
  std::byte* begin_;
  int64_t used_ = 0;
};

}  // namespace

std::byte* map_huge_pages(size_t bytes) {
  // The system aligns to small pages: map more, and give back what lies before and after.
  CHECK(bytes % static_cast<size_t>(kHugePage) == 0);
  const size_t mapped = bytes + static_cast<size_t>(kHugePage);
  if (mapped < bytes) throw std::bad_alloc();
  void* at = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(at);
  const auto before = -reinterpret_cast<intptr_t>(at) & (kHugePage - 1);
  std::byte* pages = begin + before;
  if (before > 0) ::munmap(begin, static_cast<size_t>(before));
  if (before < kHugePage) ::munmap(pages + bytes, static_cast<size_t>(kHugePage - before));
  ::madvise(pages, bytes, MADV_HUGEPAGE);  // no harm where there are none
  return pages;
}

void unmap_pages(std::byte* pages, size_t bytes) {
  ::munmap(pages, bytes);
}

std::shared_ptr<std::byte> allocate_large(int64_t bytes) {
  // Small pieces gain nothing, and from the heap their bounds are watched by a sanitizer.
  constexpr int64_t kWorthAChunk = 1 << 16;
  CHECK(bytes >= 0);
  if (bytes < kWorthAChunk) {
    constexpr std::align_val_t kAlign{kLine};
    return {static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kAlign)),
            [](std::byte* piece) { ::operator delete(piece, kAlign); }};
  }
  static std::mutex mutex;
  static std::weak_ptr<Chunk> open;
  const std::scoped_lock lock(mutex);
  std::shared_ptr<Chunk> chunk = open.lock();
  std::byte* piece = chunk ? chunk->take(bytes) : nullptr;
  if (!piece) {
    chunk = std::make_shared<Chunk>(std::max(bytes, kChunk));
    piece = chunk->take(bytes);
    if (bytes < kChunk) open = chunk;
  }
  return {std::move(chunk), piece};
}

}  // namespace linnet
