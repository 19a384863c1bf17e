// A file that grows over several runs and then takes its place: what a download leaves when it is cut.
// And folders that go when their objects do: one that takes its place as a whole, and one that is filled in its place.
// Thread safety: an object belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "base/file.hpp"
#include "base/result.hpp"

namespace linnet {

class PartFile {
 public:
  // Opens `path` to append, creating it and its folders where missing. A symbolic link is refused.
  static Result<PartFile> open(const std::filesystem::path& path);

  uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }
  Status append(std::span<const std::byte> bytes);
  // fsync: what was appended outlives a power cut.
  Status flush();
  // Back to its first `size` bytes; nothing happens where it has no more.
  Status shorten(uint64_t size);
  // fsync, rename to `target` (its folders are created), fsync of the folder.
  Status commit(const std::filesystem::path& target);
  // Deletes the file; nothing may be done with the object then.
  void discard();

 private:
  PartFile(std::filesystem::path path, FileDescriptor fd, uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  std::filesystem::path path_;
  FileDescriptor fd_;
  uint64_t size_ = 0;
};

// A new folder in `parent`, called PREFIX-XXXXXX; removed with all it holds on destruction, unless it was committed.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> create(const std::filesystem::path& parent, const std::string& prefix);
  ~TemporaryFolder();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  const std::filesystem::path& path() const { return path_; }
  // Renames it to `target`, which must lie on the same disk; fsync of the folder around. What is in it must be flushed.
  // Error kConflict: `target` is there, and not an empty folder.
  Status commit(const std::filesystem::path& target);

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// A folder that is filled where it stands: until it is kept, what is in it goes with the object, and so does the folder
// where it was not there before. So a full disk leaves nothing that the next try would be refused for.
class NewFolder {
 public:
  // Creates it. Error kConflict: `path` is there, and not an empty folder.
  static Result<NewFolder> create(const std::filesystem::path& path);
  ~NewFolder();
  NewFolder(NewFolder&& other) noexcept : path_(std::exchange(other.path_, {})), was_there_(other.was_there_) {}
  NewFolder& operator=(NewFolder&&) = delete;
  void keep() { path_.clear(); }

 private:
  NewFolder(std::filesystem::path path, bool was_there) : path_(std::move(path)), was_there_(was_there) {}
  std::filesystem::path path_;  // empty: kept, or moved from
  bool was_there_;
};

}  // namespace linnet
