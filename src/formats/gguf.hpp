// GGUF, version 2 and 3: the single-file model format of llama.cpp (ggml/docs/gguf.md), alone or split in parts.
//
// Opening maps the file and checks everything that the rest of Linnet will trust: every count, length and offset
// against the file's size before anything is allocated. Nothing of the tensors is read. Ownership: a Gguf owns its
// mappings; tensors share them. Thread safety: constant once opened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "formats/gguf_metadata.hpp"
#include "formats/stored_tensor.hpp"

namespace linnet {

inline constexpr uint32_t kGgufDefaultAlignment = 32;
inline constexpr int kGgufMostDims = 4;  // GGML_MAX_DIMS

// Whether these first bytes of a file are GGUF's.
bool is_gguf(std::span<const std::byte> head);

// One file's content. Views of the bytes that were parsed.
struct GgufPart {
  uint32_t version = 0;
  uint64_t alignment = kGgufDefaultAlignment;
  GgufMetadata metadata;
  std::vector<StoredTensor> tensors;
};

// Parses a whole file that lies in memory; `owner` keeps it there (null: the caller does).
// Errors: kInvalid with the byte offset, or kUnsupported: big-endian, version 1, tensor types without a decoder.
Result<GgufPart> parse_gguf(std::span<const std::byte> bytes, const std::string& place,
                            const std::shared_ptr<const void>& owner = nullptr);

class Gguf {
 public:
  // Opens `path`, and when it is a part of a split model ("NAME-00002-of-00003.gguf") all the other parts beside it.
  static Result<std::shared_ptr<const Gguf>> open(const std::filesystem::path& path);

  uint32_t version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }  // of the first part
  const TensorSource& tensors() const { return tensors_; }    // of all parts
  // The mapped parts, in their order.
  std::span<const std::shared_ptr<const MappedFile>> files() const { return files_; }

 private:
  Gguf() = default;

  uint32_t version_ = 0;
  GgufMetadata metadata_;
  TensorSource tensors_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

// Folder, prefix and numbers of "NAME-00002-of-00003.gguf"; count is 0 for any other name.
struct GgufSplitName {
  std::filesystem::path folder;
  std::string prefix;  // "NAME"
  int index = 0;       // from 1
  int count = 0;

  std::filesystem::path part(int i) const;  // i from 1
};
GgufSplitName parse_gguf_split_name(const std::filesystem::path& path);

}  // namespace linnet
