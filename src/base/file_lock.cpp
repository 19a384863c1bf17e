#include "base/file_lock.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace linnet {

namespace fs = std::filesystem;

Result<FileLock> FileLock::acquire(const fs::path& path, const FileLockOptions& options) {
  std::error_code code;
  fs::create_directories(path.parent_path(), code);
  if (code) return Error{ErrorCode::kIo, "cannot create folder: " + code.message(), path.parent_path().string(), {}};
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!fd.valid()) return io_error("cannot open the lock", path.string());
  bool told = false;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return io_error("cannot lock", path.string());
    if (!options.wait) return Error{ErrorCode::kConflict, "another process holds the lock", path.string(), {}};
    if (!told && options.on_wait) options.on_wait();
    told = true;
    if (options.cancel != nullptr) TRY(options.cancel->check());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return FileLock(std::move(fd));
}

}  // namespace linnet
