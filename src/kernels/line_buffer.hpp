// Uninitialised memory on cache-line boundaries. Ownership: its own. Thread safety: as memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace linnet::kernels {

class LineBuffer {
 public:
  explicit LineBuffer(int64_t bytes)
      : lines_(std::make_unique_for_overwrite<Line[]>(static_cast<size_t>(bytes / kLineBytes + 1))) {}
  std::byte* data() { return lines_[0].bytes.data(); }
  const std::byte* data() const { return lines_[0].bytes.data(); }

 private:
  static constexpr int64_t kLineBytes = 64;
  struct alignas(kLineBytes) Line {
    std::array<std::byte, kLineBytes> bytes;
  };
  std::unique_ptr<Line[]> lines_;
};

}  // namespace linnet::kernels
