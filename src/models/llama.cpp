// Llama 1 to 3 (arXiv:2302.13971, arXiv:2407.21783), SmolLM 1 and 2, and Mistral 7B (arXiv:2310.06825), which is Llama
// with a sliding window.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_llama(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(config.qkv_bias, json.boolean_or("attention_bias", false));
  config.output_bias = config.qkv_bias;
  TRY_ASSIGN(config.mlp_bias, json.boolean_or("mlp_bias", false));
  return config;
}

Result<TransformerConfig> read_mistral(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY(read_window_everywhere(json, config));
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& config) {
  return llama_tensors(config, GgufRows::kRopePairs);
}

// llama.cpp's "llama" has no windows: it ignores Mistral's.
constexpr GgufKey kMistralKeys[] = {{"sliding_window", ""}};

constexpr std::string_view kLlamaDefaults = R"({
  "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "intermediate_size": 11008, "max_position_embeddings": 2048})";

constexpr std::string_view kMistralDefaults = R"({
  "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 131072, "sliding_window": 4096})";

}  // namespace

const Family kLlama{"llama", "LlamaForCausalLM", "llama", kLlamaDefaults, read_llama, tensors, {}};
const Family kMistral{"mistral", "MistralForCausalLM", "llama", kMistralDefaults, read_mistral, tensors, kMistralKeys};

}  // namespace linnet
