// Models out into the world, unquantised: to a GGUF file, or to a Hugging Face folder (config.json, safetensors,
// tokenizer.json). What is written is decoded tensor by tensor; a quantised source becomes plain floats. Adapters that
// the weights have on (models/adapter.hpp) are folded in, in float32, before a number is rounded to its type.
// Sources: ggml/docs/gguf.md and llama.cpp's conventions; transformers' save_pretrained.
// Thread safety: pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/model.hpp"
#include "text/tokenizer.hpp"

namespace linnet {

struct ExportOptions {
  DType dtype = DType::kF16;  // of matrices: F32, F16 or BF16; vectors stay F32
};

// Things that the person should know: what the other side will ignore or miss.
using ExportWarnings = std::vector<std::string>;

// `tokenizer` may be null: the file then holds none. Errors: a family that GGUF cannot hold, a number that `dtype`
// cannot hold, a full disk.
Result<ExportWarnings> export_gguf(const ModelDescription& model, const Transformer& weights,
                                   const Tokenizer* tokenizer, const std::filesystem::path& path,
                                   const ExportOptions& options);

// Writes into `folder`, which must not exist or be empty.
Result<ExportWarnings> export_hugging_face(const ModelDescription& model, const Transformer& weights,
                                           const Tokenizer* tokenizer, const std::filesystem::path& folder,
                                           const ExportOptions& options);

}  // namespace linnet
