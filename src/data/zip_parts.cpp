#include "data/zip_parts.hpp"

#include <fmt/format.h>
#include <zip.h>

namespace linnet {

namespace {

constexpr zip_int64_t kMostParts = 10'000;

std::string words_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

}  // namespace

void ZipParts::Close::operator()(void* archive) const {
  zip_discard(static_cast<zip_t*>(archive));
}

Result<ZipParts> ZipParts::open(std::string_view bytes, const std::string& place) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return invalid("cannot be read: " + words_of(error), place);
  ZipParts out;
  out.place_ = place;
  out.archive_.reset(zip_open_from_source(source, ZIP_RDONLY, &error));
  if (!out.archive_) {
    zip_source_free(source);
    return invalid("is not a whole zip file: " + words_of(error), place);
  }
  zip_error_fini(&error);
  const zip_int64_t count = zip_get_num_entries(static_cast<zip_t*>(out.archive_.get()), 0);
  if (count < 0 || count > kMostParts) {
    return invalid(fmt::format("holds {} parts, more than the {} that are read", count, kMostParts), place);
  }
  return out;
}

bool ZipParts::has(const std::string& name) const {
  return zip_name_locate(static_cast<zip_t*>(archive_.get()), name.c_str(), 0) >= 0;
}

Result<std::string> ZipParts::read(const std::string& name, uint64_t limit) const {
  struct CloseFile {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  auto* archive = static_cast<zip_t*>(archive_.get());
  const std::string where = place_ + ": " + name;
  const zip_int64_t index = zip_name_locate(archive, name.c_str(), 0);
  if (index < 0) return not_found("there is no such part", where);
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(archive, static_cast<zip_uint64_t>(index), 0));
  if (!file) return invalid(std::string("cannot be unpacked: ") + zip_strerror(archive), where);
  std::string text;
  std::string buffer(size_t{64} << 10, '\0');
  for (;;) {
    const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
    if (got < 0) return invalid(std::string("cannot be unpacked: ") + zip_file_strerror(file.get()), where);
    if (got == 0) return text;
    if (text.size() + static_cast<uint64_t>(got) > limit) {
      return invalid(fmt::format("unpacks to more than {} MiB", limit >> 20), where, "save the sheet as CSV");
    }
    text.append(buffer, 0, static_cast<size_t>(got));
  }
}

}  // namespace linnet
