// GPT-NeoX and Pythia (arXiv:2204.06745, 2304.01373): parallel sublayers, partly rotated heads, q, k, v fused per head.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(const bool parallel, json.boolean_or("use_parallel_residual", true));
  TRY_ASSIGN(const double eps, json.number_or("layer_norm_eps", 1e-5));
  TRY_ASSIGN(config.activation, read_activation(json, "hidden_act", "gelu"));
  TRY_ASSIGN(config.qkv_bias, json.boolean_or("attention_bias", true));
  config.norm_eps = static_cast<float>(eps);
  config.norm = NormKind::kLayer;
  config.placement = parallel ? NormPlacement::kParallel : NormPlacement::kPre;
  config.fused_qkv = true;
  config.qkv_layout = QkvLayout::kPerHead;
  config.output_bias = config.qkv_bias;
  config.mlp_bias = true;
  config.gated = false;
  if (!json.has("rope_parameters")) {
    // transformers 4 calls them rotary_pct and rotary_emb_base.
    TRY_ASSIGN(const double outer, json.number_or("partial_rotary_factor", 0.25));
    TRY_ASSIGN(const double part, json.number_or("rotary_pct", outer));
    TRY_ASSIGN(config.ropes[0].theta, json.number_or("rotary_emb_base", config.ropes[0].theta));
    config.ropes[0].rotary_dim = static_cast<int64_t>(part * static_cast<double>(config.head_dim));
    if (config.ropes[0].rotary_dim < 2 || config.ropes[0].rotary_dim > config.head_dim ||
        !(config.ropes[0].theta > 1)) {
      return invalid("rotary_pct or rotary_emb_base has no meaning", json.place());
    }
  }
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  table.within(-1, "gpt_neox.", "");
  table.matrix(Role::kEmbedding, "embed_in.weight", "token_embd.weight", c.vocab_size, c.hidden_size);
  table.norm(Role::kFinalNorm, "final_layer_norm", "output_norm", c.hidden_size);
  table.within(-1, "", "");
  if (!c.tied_head) table.linear(Role::kHead, "embed_out", "output", c.vocab_size, c.hidden_size, false);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "gpt_neox.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    table.linear(Role::kQkv, "attention.query_key_value", "attn_qkv", 3 * c.hidden_size, c.hidden_size, c.qkv_bias,
                 GgufRows::kQkvByKind, c.num_heads);
    table.linear(Role::kAttentionOutput, "attention.dense", "attn_output", c.hidden_size, c.hidden_size, c.output_bias);
    table.norm(Role::kMlpNorm, "post_attention_layernorm", "ffn_norm", c.hidden_size);
    table.linear(Role::kUp, "mlp.dense_h_to_4h", "ffn_up", c.intermediate_size, c.hidden_size, true);
    table.linear(Role::kDown, "mlp.dense_4h_to_h", "ffn_down", c.hidden_size, c.intermediate_size, true);
  }
  return table.take();
}

constexpr GgufKey kKeys[] = {{"use_parallel_residual", "use_parallel_residual"}};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 50432, "hidden_size": 6144, "num_hidden_layers": 44, "num_attention_heads": 64,
  "intermediate_size": 24576, "max_position_embeddings": 2048, "partial_rotary_factor": 0.25})";

}  // namespace

const Family kGptNeoX{"gpt_neox", "GPTNeoXForCausalLM", "gptneox", kDefaults, read_config, tensors, kKeys};

}  // namespace linnet
