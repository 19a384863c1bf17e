// What the store writes beside the models of a folder, in ".linnet.json": where each came from, and the size and
// SHA-256 of its files. A model exists once its manifest does.
//
//   {"format": 1, "models": [{"source": "hf:org/repo:Q4_K_M", "revision": "<commit or version>", "requested": "main",
//     "license": "apache-2.0", "pulled": "2026-01-31T12:00:00.000Z", "model": "file.gguf",
//     "files": [{"name": "file.gguf", "size": 1, "sha256": "<hex>"}]}]}
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet {

inline constexpr std::string_view kManifestName = ".linnet.json";
inline constexpr int64_t kLargestFile = int64_t{1} << 50;  // bytes; what claims more lies
inline constexpr uint64_t kMaxManifestBytes = 16ull << 20;

struct ModelFile {
  std::string name = {};    // relative to the manifest's folder
  uint64_t size = 0;        // bytes
  std::string sha256 = {};  // lower-case hexadecimal; of what lies on disk
  bool operator==(const ModelFile&) const = default;
};

struct Manifest {
  std::string source = {};     // as parse_source() reads it
  std::string revision = {};   // the commit, or the package's version; empty for a URL
  std::string requested = {};  // hf: the branch or tag that was asked for
  std::string license = {};    // empty when unknown
  std::string pulled = {};     // UTC, ISO 8601
  std::string model = {};      // the file to load; empty when it is the folder
  std::vector<ModelFile> files = {};

  uint64_t bytes() const;
  bool operator==(const Manifest&) const = default;
};

// Errors name the field. Every name has passed is_safe_relative_path(), every digest is_sha256(), `model` is one of the
// files, and sizes add up in 64 bits.
Result<std::vector<Manifest>> parse_manifests(std::string_view text, std::string_view place);
std::string manifests_to_json(const std::vector<Manifest>& manifests);

}  // namespace linnet
