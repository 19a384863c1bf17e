#include "base/mapped_file.hpp"

#include <fcntl.h>
#include <functional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"

namespace linnet {

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    Error error = io_error("cannot open", path.string());
    if (errno == ENOENT) error.code = ErrorCode::kNotFound;
    return error;
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return io_error("cannot stat", path.string());
  if (!S_ISREG(info.st_mode)) return invalid("is not a regular file", path.string());
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(path, nullptr, 0));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return io_error("cannot map", path.string());
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

namespace {

// The whole pages inside [offset, offset + size), clipped to the mapping.
std::pair<size_t, size_t> inner_pages(uint64_t offset, uint64_t size, size_t limit) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = (std::min<uint64_t>(offset, limit) + page - 1) / page * page;
  const size_t end = std::min<uint64_t>(offset + size, limit) / page * page;
  return {begin, end > begin ? end - begin : 0};
}

}  // namespace

void MappedFile::drop_pages(uint64_t offset, uint64_t size) const {
  const auto [begin, length] = inner_pages(offset, size, size_);
  if (length) ::madvise(const_cast<std::byte*>(data_) + begin, length, MADV_DONTNEED);
}

void MappedFile::drop_pages_of(std::span<const std::byte> bytes) const {
  const std::less_equal<> before;
  if (bytes.empty() || !before(data_, bytes.data()) || !before(bytes.data() + bytes.size(), data_ + size_)) return;
  drop_pages(static_cast<uint64_t>(bytes.data() - data_), bytes.size());
}

void MappedFile::will_need(uint64_t offset, uint64_t size) const {
  const auto [begin, length] = inner_pages(offset, size, size_);
  if (length) ::madvise(const_cast<std::byte*>(data_) + begin, length, MADV_WILLNEED);
}

}  // namespace linnet
