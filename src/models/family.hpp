// A family of models: how its config is read and which tensors it has. One file a family, one line in registry.cpp.
// Thread safety: constants.
#pragma once

#include <span>
#include <string_view>

#include "base/json_object.hpp"
#include "models/config.hpp"
#include "models/tensor_table.hpp"

namespace linnet {

// A number of config.json that GGUF holds under "ARCH.key".
struct GgufKey {
  std::string_view hf;
  std::string_view gguf;  // without the architecture; empty: only in a linnet.* key, which llama.cpp ignores
};

struct Family {
  std::string_view model_type;    // config.json's
  std::string_view architecture;  // config.json's architectures[0]
  std::string_view gguf_arch;     // general.architecture; empty: GGUF cannot hold it
  // The fields that a config.json may leave out, where read_config() does not know better, as transformers' class of
  // that type fills them in: a JSON object.
  std::string_view defaults;
  Result<TransformerConfig> (*read_config)(const JsonObject& json);
  std::vector<TensorSpec> (*tensors)(const TransformerConfig& config);
  std::span<const GgufKey> gguf_keys;  // beside those that all families share
  // Changes a config that was read from GGUF, where llama.cpp's conventions differ; may be null.
  Status (*from_gguf)(Json& config) = nullptr;
};

std::span<const Family* const> families();
// Error kUnsupported that lists what is known.
Result<const Family*> find_family(std::string_view model_type, const std::string& place);

}  // namespace linnet
