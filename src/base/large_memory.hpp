// Memory for large arrays that are read from end to end again and again, as weights and caches are: on cache-line
// boundaries, and on huge pages where the system gives them on request. A processor fetches ahead within a page only,
// so small pages cost a tenth of the bandwidth and more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace linnet {

// Uninitialised. Pieces are cut from chunks that are mapped together; a chunk goes back to the system with its last
// piece, and what of it was never written takes no memory. Thread-safe. Throws std::bad_alloc.
std::shared_ptr<std::byte> allocate_large(int64_t bytes);

inline constexpr int64_t kHugePage = 1 << 21;

// Huge pages where there are any, uninitialised, from the system and back to it; pages that were never written take no
// memory. bytes: a multiple of kHugePage. Thread-safe. Throws std::bad_alloc.
std::byte* map_huge_pages(size_t bytes);
void unmap_pages(std::byte* pages, size_t bytes);

}  // namespace linnet
