// Mixtral (arXiv:2401.04088): Mistral with a mixture of experts in every layer.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY(read_window_everywhere(json, config));
  TRY_ASSIGN(config.moe.experts, json.integer("num_local_experts", 1, 65536));
  TRY_ASSIGN(config.moe.top_k, json.integer("num_experts_per_tok", 1, config.moe.experts));
  config.moe.intermediate_size = config.intermediate_size;
  config.moe.weights = ops::RouterWeights::kSoftmaxThenTopScaled;
  for (LayerConfig& layer : config.layers) layer.experts = true;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  add_llama_ends(table);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    add_llama_attention(table, GgufRows::kRopePairs);
    table.norm(Role::kMlpNorm, "post_attention_layernorm", "ffn_norm", c.hidden_size);
    const int64_t inner = c.moe.intermediate_size;
    const int64_t experts = c.moe.experts;
    table.matrix(Role::kRouter, "block_sparse_moe.gate.weight", "ffn_gate_inp.weight", experts, c.hidden_size);
    table
        .matrix(Role::kExpertGate, "block_sparse_moe.experts.{}.w1.weight", "ffn_gate_exps.weight", inner,
                c.hidden_size)
        .experts = experts;
    table.matrix(Role::kExpertUp, "block_sparse_moe.experts.{}.w3.weight", "ffn_up_exps.weight", inner, c.hidden_size)
        .experts = experts;
    table
        .matrix(Role::kExpertDown, "block_sparse_moe.experts.{}.w2.weight", "ffn_down_exps.weight", c.hidden_size,
                inner)
        .experts = experts;
  }
  return table.take();
}

constexpr GgufKey kKeys[] = {
    {"num_local_experts", "expert_count"}, {"num_experts_per_tok", "expert_used_count"}, {"sliding_window", ""}};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
  "num_local_experts": 8, "num_experts_per_tok": 2, "rope_theta": 1000000})";

}  // namespace

const Family kMixtral{"mixtral", "MixtralForCausalLM", "llama", kDefaults, read_config, tensors, kKeys};

}  // namespace linnet
