// A GGUF file's metadata as the config.json that the same model would have, and back. One table of keys serves both
// ways, so every family has one config reader.
// Fields that GGUF has no key for go into linnet.* keys, which llama.cpp ignores.
#pragma once

#include "base/json.hpp"
#include "formats/gguf.hpp"
#include "models/family.hpp"

namespace linnet {

struct GgufConfig {
  const Family* family = nullptr;
  Json config;
};

// Errors: an architecture that is not known, missing or senseless keys.
Result<GgufConfig> config_from_gguf(const Gguf& gguf);

// What config_to_gguf could only put into linnet.* keys, for the warning.
struct GgufMetadataOut {
  std::vector<std::pair<std::string, Json>> entries;  // full keys; numbers, booleans, strings, lists of numbers
  std::vector<std::string> ignored_by_others;         // names of config fields
};
Result<GgufMetadataOut> config_to_gguf(const Family& family, const TransformerConfig& config, const Json& json);

// Tensors that GGUF keeps beside the metadata: "rope_freqs.weight" is read here, longrope's factors with the config.
Status read_rope_tensors(const TensorSource& tensors, TransformerConfig& config);
std::vector<std::pair<std::string, Tensor>> rope_tensors(const TransformerConfig& config);

}  // namespace linnet
