// Cuts large buffers out of regions of memory: each takes the smallest free block that holds it, and what is freed
// joins the free blocks beside it. So memory that one shape of work has touched serves any other, and the system is
// asked for pages (whose zeroing costs more than most of what is done to them) only when more is in use than ever
// before.
//
// Regions lie on huge pages and are made anew only where no block fits, each as large as all before it together: of
// what was never touched they take no memory. Thread safety: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tensor/tensor.hpp"

namespace linnet {

class Arena {
 public:
  struct Region;
  struct Block {
    Region* region = nullptr;
    size_t offset = 0;
    size_t size = 0;
    std::byte* bytes = nullptr;  // null: of the meta device
  };

  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Of at least `size` (> 0) bytes, aligned to Tensor::kAlignment. device: of every block alike. Throws std::bad_alloc.
  Block take(size_t size, Device device);
  void give_back(const Block& block);
  // Regions of which nothing is in use go back to the system.
  void release_free();
  // How far blocks ever reached into the regions that there are: the memory that those take.
  size_t touched() const { return touched_; }

 private:
  // Ordered by size, then by age of the region, then by place: what was touched before comes first.
  struct FreeBlock {
    size_t size;
    uint64_t region;
    size_t offset;
    auto operator<=>(const FreeBlock&) const = default;
  };

  Region& add_region(size_t size, Device device);
  void insert_free(const Region& region, size_t offset, size_t size);

  std::map<uint64_t, std::unique_ptr<Region>> regions_;  // by age
  std::set<FreeBlock> free_;
  uint64_t next_region_ = 0;
  size_t touched_ = 0;
};

}  // namespace linnet
