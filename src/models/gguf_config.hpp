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

struct GgufMetadataOut {
  std::vector<std::pair<std::string, Json>> entries;  // full keys; numbers, booleans, strings, lists of booleans
  std::vector<std::string> warnings;                  // what llama.cpp will compute otherwise, in whole sentences
};
GgufMetadataOut config_to_gguf(const Family& family, const TransformerConfig& config, const Json& json);

// ---- what both ways share

inline constexpr std::string_view kLayerTypes = "layer_types";                          // of config.json
inline constexpr std::string_view kWindowPattern = "attention.sliding_window_pattern";  // a bool a layer, or a period
inline constexpr std::string_view kYarnTruncate = "linnet.yarn_truncate";

// A GgufKey's `gguf` in full: most belong to the architecture, the tokenizer's do not.
std::string full_gguf_key(std::string_view arch, std::string_view key);
// What llama.cpp takes for query_pre_attn_scalar, which GGUF does not hold: the head's dimension, but in the 27B models
// of Gemma 2 and 3, which it knows by their number of layers.
int64_t gguf_query_scalar(const TransformerConfig& config);

// Tensors that GGUF keeps beside the metadata: "rope_freqs.weight" is read here, longrope's factors with the config.
Status read_rope_tensors(const TensorSource& tensors, TransformerConfig& config);
std::vector<std::pair<std::string, Tensor>> rope_tensors(const TransformerConfig& config);

}  // namespace linnet
