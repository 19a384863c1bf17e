#include "base/file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBeside = ".part-";  // between the target's name and random letters

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Status check_new_folder(const fs::path& name) {
  const fs::path path = name.empty() ? "." : name;  // as what is written into `name` / "file" takes it
  std::error_code code;
  if (!fs::exists(path, code)) return ok_status();
  if (!fs::is_directory(path, code)) {
    return Error{ErrorCode::kConflict, "is not a folder", path.string(), {}};
  }
  if (fs::is_empty(path, code) && !code) return ok_status();
  return Error{ErrorCode::kConflict, "is not empty", path.string(), "name a new folder: nothing is written over"};
}

Status check_not_a_source(const fs::path& path, std::span<const fs::path> sources) {
  for (const fs::path& source : sources) {
    std::error_code code;
    if (!fs::equivalent(path, source, code) || code) continue;
    return Error{ErrorCode::kConflict, "is a file that is read here, and would be written over", path.string(),
                 path == source ? "name another file" : "name another file: this one is " + source.string()};
  }
  return ok_status();
}

Result<std::string> read_file(const fs::path& path, uint64_t limit) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    Error error = io_error("cannot open", path.string());
    if (errno == ENOENT) error.code = ErrorCode::kNotFound;
    return error;
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return io_error("cannot stat", path.string());
  if (S_ISDIR(info.st_mode)) return invalid("is a folder, not a file", path.string());
  std::string text;
  if (S_ISREG(info.st_mode) && static_cast<uint64_t>(info.st_size) <= limit) text.reserve(info.st_size);
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot read", path.string());
    if (got == 0) return text;
    if (text.size() + static_cast<size_t>(got) > limit) {
      return invalid("is larger than the " + std::to_string(limit) + " bytes that are read here", path.string());
    }
    text.append(buffer, static_cast<size_t>(got));
  }
}

Status stream_file(const fs::path& path, uint64_t bytes,
                   const std::function<Status(std::span<const std::byte>)>& sink) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    const bool missing = errno == ENOENT;
    Error error = io_error("cannot open", path.string());
    if (missing) error.code = ErrorCode::kNotFound;
    return error;
  }
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), std::min<uint64_t>(buffer.size(), bytes - done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot read", path.string());
    if (got == 0) {
      return invalid("ends after " + std::to_string(done) + " of " + std::to_string(bytes) + " bytes", path.string());
    }
    TRY(sink(std::span(buffer).first(static_cast<size_t>(got))));
    done += static_cast<uint64_t>(got);
  }
  return ok_status();
}

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& place) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == ENOSPC || errno == EDQUOT)) return Error{ErrorCode::kIo, "the disk is full", place, {}};
    if (put < 0) return io_error("cannot write", place);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return ok_status();
}

void AtomicFile::remove_leftovers(const fs::path& target) {
  const std::string prefix = target.filename().string() + kBeside;
  std::error_code ignored;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(target.parent_path(), ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    if (entry->path().filename().string().starts_with(prefix)) leftovers.push_back(entry->path());
  }
  for (const fs::path& leftover : leftovers) fs::remove(leftover, ignored);
}

Result<AtomicFile> AtomicFile::create(const fs::path& target) {
  std::error_code code;
  if (target.has_parent_path()) fs::create_directories(target.parent_path(), code);
  if (code) return Error{ErrorCode::kIo, "cannot create folder: " + code.message(), target.parent_path().string(), {}};
  std::string beside = target.string() + kBeside + "XXXXXX";
  FileDescriptor fd(::mkostemp(beside.data(), O_CLOEXEC));
  if (!fd.valid()) return io_error("cannot create", beside);
  // mkstemp makes 0600; a model or a report is as readable as any other file the person makes.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd.get(), 0666 & ~mask);
  return AtomicFile(target, std::move(beside), std::move(fd));
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      beside_(std::exchange(other.beside_, {})),
      fd_(std::move(other.fd_)),
      written_(other.written_) {}

AtomicFile::~AtomicFile() {
  if (!beside_.empty()) ::unlink(beside_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  TRY(write_all(fd_.get(), bytes, beside_.string()));
  written_ += bytes.size();
  return ok_status();
}

Status AtomicFile::commit() {
  if (::fsync(fd_.get()) != 0) return io_error("cannot flush", beside_.string());
  if (::rename(beside_.c_str(), target_.c_str()) != 0) return io_error("cannot rename", target_.string());
  beside_.clear();
  const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
  const FileDescriptor dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.valid()) ::fsync(dir.get());
  return ok_status();
}

Status write_file(const fs::path& target, std::string_view text) {
  TRY_ASSIGN(AtomicFile file, AtomicFile::create(target));
  TRY(file.write(text));
  return file.commit();
}

}  // namespace linnet
