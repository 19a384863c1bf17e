// What a model consists of on disk: a GGUF file, or a Hugging Face folder of safetensors and JSON; or a tokenizer
// alone, in either form.
//
// Opening maps the weights and reads the small JSON files; tokenizers are left to text/, the meaning of the config to
// models/. Only the text part of a multimodal model is seen.
// Errors name the file and what to do: pickles (.bin, .pt), GPTQ, AWQ, bitsandbytes and adapters are refused by name.
// Ownership: shares the mappings. Thread safety: a value of constants.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "formats/gguf.hpp"
#include "formats/stored_tensor.hpp"

namespace linnet {

struct ModelFiles {
  enum class Kind { kGguf, kHuggingFace };

  Kind kind = Kind::kHuggingFace;
  std::filesystem::path path;    // as given
  std::filesystem::path folder;  // where it lies

  std::shared_ptr<const Gguf> gguf;             // null unless kind == kGguf
  std::shared_ptr<const TensorSource> tensors;  // never null; of a multimodal model only the language model's; of a
                                                // tokenizer alone empty
  size_t tensors_left_out = 0;                  // vision and audio tensors
  std::vector<std::shared_ptr<const MappedFile>> mapped;  // the files of weights

  SharedJson config;             // config.json; of a multimodal model its text_config
  SharedJson generation_config;  // generation_config.json
  SharedJson tokenizer_config;   // tokenizer_config.json
  std::optional<std::filesystem::path> tokenizer_json;
  std::optional<std::filesystem::path> tokenizer_model;  // SentencePiece

  std::optional<std::string> chat_template;
  std::map<std::string, std::string> named_chat_templates;  // "tool_use", ...
  std::vector<int64_t> eos_token_ids;  // of generation_config.json, else config.json, else the GGUF; may be empty

  // False for a tokenizer alone: a GGUF file of a vocabulary, tokenizer.json, tokenizer.model.
  bool has_weights() const;

  // Path of a file of the folder ("vocab.txt", "1_Pooling/config.json"), if it is there. Always nullopt for GGUF, whose
  // neighbours in a folder are strangers.
  std::optional<std::filesystem::path> file(std::string_view name) const;
};

// `path`: a .gguf or .safetensors file, an index, a tokenizer's .json or .model file, or a folder that holds one model
// or a tokenizer.
Result<ModelFiles> open_model_files(const std::filesystem::path& path);

}  // namespace linnet
