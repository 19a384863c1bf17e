// safetensors: the tensor file of Hugging Face (github.com/huggingface/safetensors, "Format"), alone or in shards under
// an index (model.safetensors.index.json).
//
// As strict as the reference reader: the header is at most 100 MB, tensors cover the data without overlap or hole,
// sizes agree with dtype and shape; duplicate names, which its JSON parser lets pass, are refused too. Ownership:
// tensors own their mapping. Thread safety: values.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/stored_tensor.hpp"

namespace linnet {

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsFile {
  std::vector<StoredTensor> tensors;                     // in the order of their data
  std::map<std::string, std::string> metadata;           // "__metadata__"
  std::vector<std::shared_ptr<const MappedFile>> files;  // that the tensors lie in; empty where nothing was mapped
};

// Parses a whole file that lies in memory; `owner` keeps it there (null: the caller does).
Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, const std::string& place,
                                          const std::shared_ptr<const void>& owner = nullptr);

Result<SafetensorsFile> open_safetensors(const std::filesystem::path& path);

// All tensors of the shards that an index names. The shards lie in the folder of the index: a name with a path in it is
// refused. The shards' metadata is left out. Errors: a missing shard, a listed tensor that its shard does not hold.
Result<SafetensorsFile> open_safetensors_index(const std::filesystem::path& index);

}  // namespace linnet
