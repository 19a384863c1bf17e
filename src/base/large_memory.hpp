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

// Pages of their own, uninitialised, for buffers that come and go: what is unmapped goes back to the system at once,
// where a heap would keep it. Thread-safe. Throws std::bad_alloc.
std::byte* map_pages(size_t bytes);
void unmap_pages(std::byte* pages, size_t bytes);

}  // namespace linnet
