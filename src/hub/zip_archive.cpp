#include "hub/zip_archive.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <zip.h>

#include "hub/digest.hpp"
#include "hub/source.hpp"

namespace linnet {
namespace {

constexpr uint64_t kMostEntries = 20000;
constexpr uint64_t kLargestEntry = uint64_t{1} << 42;

template <class Pointer>
zip_t* handle(const Pointer& archive) {
  return static_cast<zip_t*>(archive.get());
}

// nullptr: `problem` says why.
zip_t* open_zip(const std::filesystem::path& path, std::string& problem) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (archive != nullptr) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  problem = zip_error_strerror(&error);
  zip_error_fini(&error);
  return nullptr;
}

}  // namespace

void ZipArchive::Close::operator()(void* archive) const {
  zip_discard(static_cast<zip_t*>(archive));
}

Error ZipArchive::broken(const ZipEntry& entry, std::string what) const {
  return invalid(std::move(what), path_.filename().string() + ": " + entry.name,
                 "the package is damaged; nothing was kept of it");
}

Result<ZipArchive> ZipArchive::open(const std::filesystem::path& path) {
  ZipArchive archive;
  archive.path_ = path;
  std::string problem;
  archive.archive_.reset(open_zip(path, problem));
  if (!archive.archive_) return invalid("is not a whole zip file: " + problem, path.filename().string());
  TRY(archive.read_directory());
  return archive;
}

Status ZipArchive::read_directory() {
  const zip_int64_t count = zip_get_num_entries(handle(archive_), 0);
  if (count < 0 || static_cast<uint64_t>(count) > kMostEntries) {
    return invalid(fmt::format("holds {} entries, more than the {} that are read", count, kMostEntries),
                   path_.filename().string());
  }
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    zip_stat_t info;
    zip_stat_init(&info);
    if (zip_stat_index(handle(archive_), i, 0, &info) != 0 || (info.valid & ZIP_STAT_NAME) == 0 ||
        (info.valid & ZIP_STAT_SIZE) == 0) {
      return invalid("has an entry without name or size", path_.filename().string());
    }
    ZipEntry entry{.name = info.name, .size = info.size};
    if (entry.name.ends_with('/')) continue;
    if (info.size > kLargestEntry) return broken({printable(entry.name)}, fmt::format("claims {} bytes", info.size));
    // Files that could not be named in the store are not models; those called ".gitattributes" are common.
    if (!is_safe_relative_path(entry.name)) continue;
    if (!index_.emplace(entry.name, i).second) return broken(entry, "comes twice");
    entries_.push_back(std::move(entry));
  }
  std::ranges::sort(entries_, {}, &ZipEntry::name);
  return ok_status();
}

Result<std::string> ZipArchive::read_text(const ZipEntry& entry, uint64_t limit) const {
  if (entry.size > limit)
    return broken(entry, fmt::format("has {} bytes, more than the {} that are read", entry.size, limit));
  std::string text;
  TRY(extract(entry, nullptr, [&](std::span<const std::byte> bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return ok_status();
  }));
  return text;
}

Status ZipArchive::extract(const ZipEntry& entry, const CancelToken* cancel, const Sink& sink) const {
  struct CloseFile {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  const auto number = index_.find(entry.name);
  CHECK(number != index_.end());
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(handle(archive_), number->second, 0));
  if (!file) return broken(entry, std::string("cannot be unpacked: ") + zip_strerror(handle(archive_)));
  Digest digest;
  uint64_t done = 0;
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (;;) {
    if (cancel != nullptr) TRY(cancel->check());
    const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
    if (got < 0) return broken(entry, std::string("cannot be unpacked: ") + zip_file_strerror(file.get()));
    if (got == 0) break;
    done += static_cast<uint64_t>(got);
    if (done > entry.size)
      return broken(entry, fmt::format("unpacks to more than the {} bytes that it claims", entry.size));
    const auto bytes = std::span(buffer).first(static_cast<size_t>(got));
    digest.update(bytes);
    TRY(sink(bytes));
  }
  if (done != entry.size) return broken(entry, fmt::format("unpacks to {} bytes, and claims {}", done, entry.size));
  const std::string have = digest.hex();
  if (!entry.sha256.empty() && have != entry.sha256) {
    return broken(entry, fmt::format("has the SHA-256 {}, and the wheel's RECORD says {}", have, entry.sha256));
  }
  return ok_status();
}

std::string zip_problem(const std::filesystem::path& path) {
  std::string problem;
  if (zip_t* archive = open_zip(path, problem)) zip_discard(archive);
  return problem;
}

}  // namespace linnet
