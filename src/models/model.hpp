// A model opened from disk: its files, its config, its weights.
// Ownership: owns the weights and the mapped files. Thread safety: const once loaded.
#pragma once

#include <filesystem>
#include <memory>

#include "formats/model_files.hpp"
#include "models/family.hpp"
#include "models/transformer.hpp"

namespace linnet {

struct ModelDescription {
  ModelFiles files;
  const Family* family = nullptr;
  SharedJson config;  // as config.json has it, also for GGUF; never null
  TransformerConfig transformer;
};

// Opens `path` and reads the config; no weight is touched. Error: there are none.
Result<ModelDescription> describe_model(const std::filesystem::path& path);
Result<ModelDescription> describe_model(ModelFiles files);

// The files that it lies in: weights, config, tokenizer. Whoever writes a file writes none of these.
std::vector<std::filesystem::path> source_files(const ModelDescription& description);

// The weights of a described model, unpacked.
Result<Transformer> load_transformer(const ModelDescription& description);

}  // namespace linnet
