// The components of a tokenizer.json, made from their JSON. An unknown type or option value is an error that names it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_object.hpp"
#include "base/result.hpp"
#include "text/decoder.hpp"
#include "text/normalizer.hpp"
#include "text/pre_tokenizer.hpp"

namespace linnet {

// `node` may be null: no normalizer.
Result<Normalizers> load_normalizers(const Json* node, const std::string& place);

struct LoadedPreTokenizers {
  PreTokenizers stages;
  // The last stage was ByteLevel, and its step that spells bytes as letters was left out: the model takes bytes.
  bool bytes_for_model = false;
  std::vector<std::string> patterns;  // of the Split and ByteLevel stages, for export
};

// `model_takes_bytes`: bytes_for_model is possible.
Result<LoadedPreTokenizers> load_pre_tokenizers(const Json* node, bool model_takes_bytes, const std::string& place);

Result<DecoderStages> load_decoders(const Json* node, const std::string& place);

// What a post-processor puts around a single text.
struct TextFrame {
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};
Result<TextFrame> load_post_processor(const Json* node, const std::string& place);

}  // namespace linnet
