// LoRA adapters as PEFT saves them (huggingface.co/docs/peft, "PEFT checkpoint format"): adapter_config.json and
// adapter_model.safetensors in one folder.
//
// Read: LORA with rank and alpha patterns, and rank-stabilised scales (rsLoRA). What would change the sums in another
// way (DoRA, whole modules saved beside, trained biases, embeddings, ...) is refused by name. Thread safety: values.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "formats/stored_tensor.hpp"
#include "models/transformer.hpp"

namespace linnet {

struct Adapter {
  // What is added to one linear layer.
  struct Part {
    std::string module;  // as the model's tensors are named, less ".weight": model.layers.0.self_attn.q_proj
    Tensor a;            // (R, C) float32
    Tensor b;            // (O, R) float32
    float scale = 1;     // alpha / R, or alpha / sqrt(R) for rsLoRA
  };
  std::vector<Part> parts;  // sorted by module
  std::string place;        // for messages
};

// Errors: a config or tensors that are not those of such an adapter, each named; kUnsupported for what is refused.
Result<Adapter> parse_adapter(const Json& config, std::span<const StoredTensor> tensors, const std::string& place);
// folder: holds the two files.
Result<Adapter> read_adapter(const std::filesystem::path& folder);

// Adds every part of `adapter`, times `scale`, to the layers of `model`, packed for the kernels of `ctx`; where
// those have no layout, the layers share the adapter's numbers. Nothing changes on errors: a module that the model does
// not have, a shape that does not fit it.
Status attach_adapter(Context& ctx, Transformer& model, const Adapter& adapter, float scale = 1);

}  // namespace linnet
