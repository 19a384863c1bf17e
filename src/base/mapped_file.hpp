// A file mapped into memory, read-only.
//
// Ownership: the mapping lives as long as the object; spans into it must not outlive it.
// A file that another process truncates while it is mapped kills the reader (SIGBUS): nothing short of copying prevents
// that, and models are not copied.
// Thread safety: const methods may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.hpp"

namespace linnet {

class MappedFile {
 public:
  // Maps all of `path`. Errors: not found, not a regular file, unreadable. An empty file maps to an empty span.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Tells the kernel that whole pages inside [offset, offset + size) are not needed now. They can be read again.
  void drop_pages(uint64_t offset, uint64_t size) const;
  // The same for `bytes`, where they lie in this file; nothing otherwise.
  void drop_pages_of(std::span<const std::byte> bytes) const;
  // Asks the kernel to read [offset, offset + size) ahead.
  void will_need(uint64_t offset, uint64_t size) const;

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace linnet
