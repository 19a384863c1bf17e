// SmolLM3 (huggingface.co/blog/smollm3): Llama with no positions in every fourth layer (NoPE, arXiv:2501.18795).
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(config.qkv_bias, json.boolean_or("attention_bias", false));
  config.output_bias = config.qkv_bias;
  TRY_ASSIGN(const bool slides, json.boolean_or("use_sliding_window", false));
  if (slides) TRY(read_layer_types(json, 0, config));
  TRY_ASSIGN(const int64_t interval, json.integer_or("no_rope_layer_interval", 4, 1, kMaxLayers));
  for (int64_t l = 0; l < config.num_layers(); ++l)
    config.layers[static_cast<size_t>(l)].rope = (l + 1) % interval != 0;
  if (!json.has("no_rope_layers")) return config;
  TRY_ASSIGN(const std::vector<double> with_rope, json.numbers("no_rope_layers"));  // despite its name: 1 = rotated
  if (static_cast<int64_t>(with_rope.size()) != config.num_layers()) {
    return invalid("field \"no_rope_layers\" must have a number a layer", json.place());
  }
  for (size_t l = 0; l < with_rope.size(); ++l) config.layers[l].rope = with_rope[l] != 0;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& config) {
  return llama_tensors(config, GgufRows::kRopePairs);
}

// llama.cpp leaves out every fourth layer's positions and knows no other pattern.
constexpr GgufKey kKeys[] = {
    {"no_rope_layers", ""}, {"use_sliding_window", ""}, {"sliding_window", ""}, {"layer_types", ""}};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 128256, "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
  "num_key_value_heads": 4, "intermediate_size": 11008, "max_position_embeddings": 32768,
  "tie_word_embeddings": true, "rope_theta": 2000000})";

}  // namespace

const Family kSmolLm3{"smollm3", "SmolLM3ForCausalLM", "smollm3", kDefaults, read_config, tensors, kKeys};

}  // namespace linnet
