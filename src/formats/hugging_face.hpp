// The conventions of a Hugging Face model folder that are not one model's own: the text part of a multimodal model, how
// the weights are quantised, end-of-text ids, chat templates. What the fields of a config mean is models/' business.
// Thread safety: pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.hpp"
#include "formats/stored_tensor.hpp"

namespace linnet {

// A multimodal config.json keeps the language model under "text_config": returns that, with what only the outer object
// says (architectures, quantization_config, token ids, tie_word_embeddings, ...) added. Any other config as it is.
Json text_config_of(const Json& config);
bool is_multimodal_config(const Json& config);

// How the config says that its weights are quantised. Errors: kUnsupported with the method's name for GPTQ, AWQ,
// bitsandbytes and all else that Linnet does not decode. FP8 with scale tensors and gpt-oss' MXFP4 are read.
struct QuantisationConfig {
  bool fp8 = false;          // the weights are FP8 and have scales
  int64_t block_rows = 128;  // of FP8 scales
  int64_t block_columns = 128;
};
Result<QuantisationConfig> read_quantisation_config(const Json& config, const std::string& place);

// The same refusal from the names of tensors alone, for files that come without a config.
Status refuse_packed_weights(const std::vector<StoredTensor>& tensors);

// Names as a text-only model of the family has them: "language_model.model.X" and "model.language_model.X" become
// "model.X"; tensors of the vision and audio towers are left out. Returns how many were.
size_t keep_text_tensors(std::vector<StoredTensor>& tensors);

// eos_token_id and the like: a number, a list of numbers, or null (none).
Result<std::vector<int64_t>> token_ids(const Json& config, std::string_view key, const std::string& place);

// Chat templates: the default one and others by name ("tool_use", "rag").
struct ChatTemplates {
  std::optional<std::string> main;
  std::map<std::string, std::string> named;
};
// From tokenizer_config.json's chat_template: a string, or a list of {"name", "template"}.
Result<ChatTemplates> chat_templates_of(const Json& tokenizer_config, const std::string& place);

}  // namespace linnet
