#include "tensor/arena.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/large_memory.hpp"

namespace linnet {

namespace {

size_t rounded_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

struct Arena::Region {
  Region(uint64_t number_in_order, size_t bytes_of_it, Device device)
      : number(number_in_order), size(bytes_of_it), bytes(device == Device::kCpu ? map_huge_pages(size) : nullptr) {}
  ~Region() {
    if (bytes) unmap_pages(bytes, size);
  }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  bool is_free() const { return free.size() == 1 && free.begin()->second == size; }

  uint64_t number;
  size_t size;
  std::byte* bytes;
  size_t touched = 0;             // as far as a block ever reached
  std::map<size_t, size_t> free;  // sizes by offset; no two touch
};

Arena::Arena() = default;
Arena::~Arena() = default;

Arena::Block Arena::take(size_t size, Device device) {
  size = rounded_up(size, Tensor::kAlignment);
  auto found = free_.lower_bound({.size = size, .region = 0, .offset = 0});
  if (found == free_.end()) {
    release_free();  // too small, all of them: what replaces one need not stand beside it
    Region& added = add_region(size, device);
    found = free_.find({.size = added.size, .region = added.number, .offset = 0});
  }
  const FreeBlock block = *found;
  Region& region = *regions_.at(block.region);
  free_.erase(found);
  region.free.erase(block.offset);
  if (block.size > size) insert_free(region, block.offset + size, block.size - size);
  const size_t reached = std::max(region.touched, block.offset + size);
  touched_ += reached - region.touched;
  region.touched = reached;
  return {&region, block.offset, size, region.bytes ? region.bytes + block.offset : nullptr};
}

void Arena::give_back(const Block& block) {
  Region& region = *block.region;
  size_t offset = block.offset;
  size_t size = block.size;
  const auto join = [&](std::map<size_t, size_t>::iterator neighbour) {
    offset = std::min(offset, neighbour->first);
    size += neighbour->second;
    free_.erase({.size = neighbour->second, .region = region.number, .offset = neighbour->first});
    region.free.erase(neighbour);
  };
  const auto after = region.free.find(block.offset + block.size);
  if (after != region.free.end()) join(after);
  auto before = region.free.lower_bound(block.offset);
  if (before != region.free.begin() && std::prev(before)->first + std::prev(before)->second == block.offset) {
    join(std::prev(before));
  }
  insert_free(region, offset, size);
}

void Arena::release_free() {
  for (auto at = regions_.begin(); at != regions_.end();) {
    const Region& region = *at->second;
    if (!region.is_free()) {
      ++at;
      continue;
    }
    touched_ -= region.touched;
    free_.erase({.size = region.size, .region = region.number, .offset = 0});
    at = regions_.erase(at);
  }
}

Arena::Region& Arena::add_region(size_t size, Device device) {
  constexpr size_t kLeast = size_t{64} << 20;
  constexpr auto kUnit = static_cast<size_t>(kHugePage);
  size_t all = 0;
  for (const auto& [number, region] : regions_) all += region->size;
  auto region = std::make_unique<Region>(next_region_, rounded_up(std::max({size, all, kLeast}), kUnit), device);
  Region& added = *region;
  regions_.emplace(next_region_++, std::move(region));
  insert_free(added, 0, added.size);
  return added;
}

void Arena::insert_free(const Region& region, size_t offset, size_t size) {
  regions_.at(region.number)->free.emplace(offset, size);
  free_.insert({.size = size, .region = region.number, .offset = offset});
}

}  // namespace linnet
