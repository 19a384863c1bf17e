// OLMo 2 (arXiv:2501.00656): norms on each sublayer's output, and on all of q and k before the cut in heads.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(config.qkv_bias, json.boolean_or("attention_bias", false));
  config.output_bias = config.qkv_bias;
  config.placement = NormPlacement::kOnOutput;
  config.qk_norm = QkNorm::kWhole;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  add_llama_ends(table);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    add_llama_attention(table);
    table.norm(Role::kPostAttentionNorm, "post_attention_layernorm", "post_attention_norm", c.hidden_size);
    add_llama_mlp(table);
    table.norm(Role::kPostMlpNorm, "post_feedforward_layernorm", "post_ffw_norm", c.hidden_size);
  }
  return table.take();
}

constexpr std::string_view kDefaults = R"({
  "vocab_size": 50304, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "intermediate_size": 11008, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5})";

}  // namespace

const Family kOlmo2{"olmo2", "Olmo2ForCausalLM", "olmo2", kDefaults, read_config, tensors, {}};

}  // namespace linnet
