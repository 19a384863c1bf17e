// Whole small files, and files that appear complete or not at all.
// Thread safety: different objects may be used from different threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet {

// Owns a POSIX file descriptor; closes it.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// The largest text file (config, template, tokenizer) that is read whole, unless the caller says otherwise.
inline constexpr uint64_t kMaxTextFile = 256ull << 20;

// Nothing stands at `name`, or an empty folder; no name is the current folder. Error kConflict: nothing is written
// over.
Status check_new_folder(const std::filesystem::path& name);

// Error kConflict: `path` is one of `sources`, under its own name, by a symbolic link or by a hard one. For what is
// read while `path` is written.
Status check_not_a_source(const std::filesystem::path& path, std::span<const std::filesystem::path> sources);

// All bytes of `path`. Errors: not found, unreadable, larger than `limit` (named with both sizes).
Result<std::string> read_file(const std::filesystem::path& path, uint64_t limit = kMaxTextFile);

// Hands the first `bytes` bytes of `path` to `sink`, in order, in chunks of up to 1 MiB; stops at the first error of
// `sink`. Errors: not found, unreadable, ends before `bytes`.
Status stream_file(const std::filesystem::path& path, uint64_t bytes,
                   const std::function<Status(std::span<const std::byte>)>& sink);

// A file written beside its target and renamed over it by commit(): after a crash at any moment the target is the old
// file or the new one. Destroyed without commit(), it leaves nothing behind.
class AtomicFile {
 public:
  // Creates missing parent folders.
  static Result<AtomicFile> create(const std::filesystem::path& target);
  // Deletes what a process that was killed left beside `target`. Requires that no other writes it now.
  static void remove_leftovers(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  uint64_t written() const { return written_; }
  // fsync, rename, fsync of the folder.
  Status commit();

 private:
  AtomicFile(std::filesystem::path target, std::filesystem::path beside, FileDescriptor fd)
      : target_(std::move(target)), beside_(std::move(beside)), fd_(std::move(fd)) {}

  std::filesystem::path target_;
  std::filesystem::path beside_;  // empty once committed or moved from
  FileDescriptor fd_;
  uint64_t written_ = 0;
};

// AtomicFile in one call.
Status write_file(const std::filesystem::path& target, std::string_view text);

// Appends [write(2) until all is out]. `place` names the file in the error. A full disk is said in those words.
Status write_all(int fd, std::span<const std::byte> bytes, const std::string& place);

}  // namespace linnet
