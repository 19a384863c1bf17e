// Phi-1, 1.5 and 2 (arXiv:2306.11644): parallel sublayers behind one LayerNorm, partly rotated heads, biases.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(const bool qk_norm, json.boolean_or("qk_layernorm", false));
  if (qk_norm) return unsupported("qk_layernorm is not supported for phi", json.place());
  TRY_ASSIGN(const double eps, json.number_or("layer_norm_eps", 1e-5));
  TRY_ASSIGN(config.activation, read_activation(json, "hidden_act", "gelu_new"));
  config.norm_eps = static_cast<float>(eps);
  config.norm = NormKind::kLayer;
  config.placement = NormPlacement::kParallel;
  config.one_norm = true;
  config.gated = false;
  config.qkv_bias = config.output_bias = config.mlp_bias = config.head_bias = true;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  table.within(-1, "", "");
  table.matrix(Role::kEmbedding, "model.embed_tokens.weight", "token_embd.weight", c.vocab_size, c.hidden_size);
  table.norm(Role::kFinalNorm, "model.final_layernorm", "output_norm", c.hidden_size);
  table.linear(Role::kHead, "lm_head", "output", c.vocab_size, c.hidden_size, true);
  const int64_t q_size = c.num_heads * c.head_dim;
  const int64_t kv_size = c.num_kv_heads * c.head_dim;
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    table.linear(Role::kQuery, "self_attn.q_proj", "attn_q", q_size, c.hidden_size, true);
    table.linear(Role::kKey, "self_attn.k_proj", "attn_k", kv_size, c.hidden_size, true);
    table.linear(Role::kValue, "self_attn.v_proj", "attn_v", kv_size, c.hidden_size, true);
    table.linear(Role::kAttentionOutput, "self_attn.dense", "attn_output", c.hidden_size, q_size, true);
    table.linear(Role::kUp, "mlp.fc1", "ffn_up", c.intermediate_size, c.hidden_size, true);
    table.linear(Role::kDown, "mlp.fc2", "ffn_down", c.hidden_size, c.intermediate_size, true);
  }
  return table.take();
}

constexpr std::string_view kDefaults = R"({
  "vocab_size": 51200, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
  "intermediate_size": 8192, "max_position_embeddings": 2048, "partial_rotary_factor": 0.5})";

}  // namespace

const Family kPhi{"phi", "PhiForCausalLM", "phi2", kDefaults, read_config, tensors, {}};

}  // namespace linnet
