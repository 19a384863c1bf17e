#include "base/part_file.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace linnet {

namespace fs = std::filesystem;

namespace {

Status make_folders(const fs::path& folder) {
  std::error_code code;
  if (!folder.empty()) fs::create_directories(folder, code);  // empty: the current one
  if (code) return Error{ErrorCode::kIo, "cannot create folder: " + code.message(), folder.string(), {}};
  return ok_status();
}

void sync_folder(const fs::path& folder) {
  const FileDescriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) ::fsync(fd.get());
}

}  // namespace

Result<PartFile> PartFile::open(const fs::path& path) {
  TRY(make_folders(path.parent_path()));
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!fd.valid()) return io_error("cannot open", path.string());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return io_error("cannot stat", path.string());
  if (!S_ISREG(info.st_mode)) return invalid("is not a plain file", path.string());
  return PartFile(path, std::move(fd), static_cast<uint64_t>(info.st_size));
}

Status PartFile::append(std::span<const std::byte> bytes) {
  TRY(write_all(fd_.get(), bytes, path_.string()));
  size_ += bytes.size();
  return ok_status();
}

Status PartFile::shorten(uint64_t size) {
  if (size >= size_) return ok_status();
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return io_error("cannot shorten", path_.string());
  size_ = size;
  return ok_status();
}

Status PartFile::flush() {
  if (::fsync(fd_.get()) != 0) return io_error("cannot flush", path_.string());
  return ok_status();
}

Status PartFile::commit(const fs::path& target) {
  TRY(make_folders(target.parent_path()));
  TRY(flush());
  if (::rename(path_.c_str(), target.c_str()) != 0) return io_error("cannot rename", target.string());
  sync_folder(target.parent_path());
  return ok_status();
}

void PartFile::discard() {
  ::unlink(path_.c_str());
}

Result<TemporaryFolder> TemporaryFolder::create(const fs::path& parent, const std::string& prefix) {
  TRY(make_folders(parent));
  std::string name = (parent / (prefix + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) return io_error("cannot create folder", name);
  return TemporaryFolder(name);
}

Status TemporaryFolder::commit(const fs::path& target) {
  TRY(make_folders(target));
  TRY(check_new_folder(target));
  std::error_code code;
  // mkdtemp's folders are for nobody else; this one is as any that this person makes.
  fs::permissions(path_, fs::status(target).permissions(), code);
  sync_folder(path_);
  if (::rename(path_.c_str(), target.c_str()) != 0) return io_error("cannot rename", target.string());
  sync_folder(target.parent_path());
  path_.clear();
  return ok_status();
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code code;
  if (!path_.empty()) fs::remove_all(path_, code);
}

Result<NewFolder> NewFolder::create(const fs::path& path) {
  TRY(check_new_folder(path));
  std::error_code code;
  const bool was_there = fs::exists(path, code);
  TRY(make_folders(path));
  return NewFolder(path, was_there);
}

NewFolder::~NewFolder() {
  if (path_.empty()) return;
  std::error_code code;
  std::vector<fs::path> entries;
  for (fs::directory_iterator entry(path_, code), end; !code && entry != end; entry.increment(code)) {
    entries.push_back(entry->path());
  }
  for (const fs::path& entry : entries) fs::remove_all(entry, code);
  if (!was_there_) fs::remove(path_, code);
}

}  // namespace linnet
