// Writes safetensors files: one, or shards of a largest size with model.safetensors.index.json beside them.
// Files appear whole or not at all; of a sharded model the index comes last. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "formats/tensor_writer.hpp"

namespace linnet {

struct SafetensorsOptions {
  // A shard holds at least one tensor and otherwise at most this many bytes of them. 5 GB is transformers' habit.
  uint64_t max_shard_bytes = 5'000'000'000;
  // transformers refuses files that do not name their framework.
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
};

// Writes `path` ("model.safetensors"), or, when the tensors exceed a shard, "model-00001-of-00003.safetensors" and so
// on beside it, and "model.safetensors.index.json". Tensors are laid out with wider elements first, so that all are
// aligned, and produced in that order. Errors: block formats, which safetensors has no dtype for; whatever producing or
// writing meets.
Status write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                         const SafetensorsOptions& options = {});

}  // namespace linnet
