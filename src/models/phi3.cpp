// Phi-3, 3.5 and 4-mini (arXiv:2404.14219): Llama with fused projections and, for long contexts, longrope.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY(read_window_everywhere(json, config));
  config.fused_qkv = true;
  config.fused_gate = true;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  add_llama_ends(table);
  const int64_t q_size = c.num_heads * c.head_dim;
  const int64_t qkv_size = q_size + 2 * c.num_kv_heads * c.head_dim;
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    table.linear(Role::kQkv, "self_attn.qkv_proj", "attn_qkv", qkv_size, c.hidden_size, false);
    table.linear(Role::kAttentionOutput, "self_attn.o_proj", "attn_output", c.hidden_size, q_size, false);
    table.norm(Role::kMlpNorm, "post_attention_layernorm", "ffn_norm", c.hidden_size);
    table.linear(Role::kGateUp, "mlp.gate_up_proj", "ffn_up", 2 * c.intermediate_size, c.hidden_size, false);
    table.linear(Role::kDown, "mlp.down_proj", "ffn_down", c.hidden_size, c.intermediate_size, false);
  }
  return table.take();
}

constexpr GgufKey kKeys[] = {{"sliding_window", "attention.sliding_window"}};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 32064, "hidden_size": 3072, "num_hidden_layers": 32, "num_attention_heads": 32,
  "intermediate_size": 8192, "max_position_embeddings": 4096, "original_max_position_embeddings": 4096,
  "rms_norm_eps": 1e-5})";

}  // namespace

const Family kPhi3{"phi3", "Phi3ForCausalLM", "phi3", kDefaults, read_config, tensors, kKeys};

}  // namespace linnet
