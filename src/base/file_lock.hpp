// One process at a time: an advisory lock (flock) that the kernel lets go when its holder ends, however it ends, so
// that a stale lock cannot exist. Thread safety: an object belongs to one thread; different processes and different
// objects exclude each other.
#pragma once

#include <filesystem>
#include <functional>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/result.hpp"

namespace linnet {

struct FileLockOptions {
  bool wait = true;                     // false: kConflict at once when somebody else holds it
  const CancelToken* cancel = nullptr;  // borrowed; ends the waiting
  std::function<void()> on_wait = {};   // called once, before waiting begins
};

class FileLock {
 public:
  // Creates `path` (and its folders) where missing; the file stays, empty, when the lock is let go.
  static Result<FileLock> acquire(const std::filesystem::path& path, const FileLockOptions& options);

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace linnet
