// gpt-oss (arXiv:2508.10925): attention sinks, sliding windows in every second layer, YaRN, clamped gates, experts
// whose gate and up rows alternate.
#include <fmt/core.h>

#include "base/json.hpp"
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

// As Transformer::experts has them.
constexpr double kGateAlpha = 1.702;
constexpr double kGateLimit = 7.0;

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY(read_layer_types(json, 2, config));
  TRY_ASSIGN(config.qkv_bias, json.boolean_or("attention_bias", true));
  config.output_bias = config.qkv_bias;
  config.sinks = true;
  TRY_ASSIGN(config.moe.experts, json.integer("num_local_experts", 1, 65536));
  TRY_ASSIGN(config.moe.top_k, json.integer("num_experts_per_tok", 1, config.moe.experts));
  config.moe.intermediate_size = config.intermediate_size;
  config.moe.weights = ops::RouterWeights::kTopThenSoftmax;
  config.moe.clamped = true;
  TRY_ASSIGN(const double alpha, json.number_or("swiglu_alpha", kGateAlpha));
  TRY_ASSIGN(const double limit, json.number_or("swiglu_limit", kGateLimit));
  if (alpha != kGateAlpha || limit != kGateLimit) {
    return unsupported(fmt::format("swiglu_alpha {} and swiglu_limit {}", alpha, limit), json.place(),
                       fmt::format("supported: {} and {}", kGateAlpha, kGateLimit));
  }
  for (LayerConfig& layer : config.layers) layer.experts = true;
  return config;
}

void add_experts(TensorTable& table) {
  const TransformerConfig& c = table.config();
  const int64_t inner = c.moe.intermediate_size;
  const auto stacked = [&](TensorSpec& spec) -> TensorSpec& {
    spec.experts = c.moe.experts;
    spec.stacked = true;
    return spec;
  };
  const auto fused = [&](TensorSpec& spec) { stacked(spec).interleaved = true; };
  TensorSpec& gate_up =
      table.matrix(Role::kExpertGateUp, "mlp.experts.gate_up_proj", "ffn_{}_exps.weight", 2 * inner, c.hidden_size);
  gate_up.transposed = true;
  fused(gate_up);
  TensorSpec& gate_up_bias =
      table.vector(Role::kExpertGateUp, "mlp.experts.gate_up_proj_bias", "ffn_{}_exps.bias", 2 * inner);
  gate_up_bias.bias = true;
  fused(gate_up_bias);
  stacked(table.matrix(Role::kExpertDown, "mlp.experts.down_proj", "ffn_down_exps.weight", c.hidden_size, inner))
      .transposed = true;
  stacked(table.vector(Role::kExpertDown, "mlp.experts.down_proj_bias", "ffn_down_exps.bias", c.hidden_size)).bias =
      true;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  add_llama_ends(table);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    add_llama_attention(table);
    table.vector(Role::kSinks, "self_attn.sinks", "attn_sinks.weight", c.num_heads);
    table.norm(Role::kMlpNorm, "post_attention_layernorm", "post_attention_norm", c.hidden_size);
    table.linear(Role::kRouter, "mlp.router", "ffn_gate_inp", c.moe.experts, c.hidden_size, true);
    add_experts(table);
  }
  return table.take();
}

constexpr GgufKey kKeys[] = {{"num_local_experts", "expert_count"},
                             {"num_experts_per_tok", "expert_used_count"},
                             {"intermediate_size", "expert_feed_forward_length"},
                             {"sliding_window", "attention.sliding_window"},
                             {"layer_types", "attention.sliding_window_pattern"}};

// All of this family leave YaRN's correction bounds as they come out; GGUF has no key for it, and llama.cpp rounds
// them.
Status from_gguf(Json& config) {
  const auto scaling = config.find("rope_scaling");
  if (scaling != config.end() && !scaling->contains("truncate")) (*scaling)["truncate"] = false;
  return ok_status();
}

constexpr std::string_view kDefaults = R"({
  "vocab_size": 201088, "hidden_size": 2880, "num_hidden_layers": 36, "num_attention_heads": 64,
  "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2880, "max_position_embeddings": 131072,
  "rms_norm_eps": 1e-5, "sliding_window": 128, "num_local_experts": 128, "num_experts_per_tok": 4,
  "rope_theta": 150000, "rope_scaling": {"rope_type": "yarn", "factor": 32, "beta_fast": 32, "beta_slow": 1,
  "truncate": false, "original_max_position_embeddings": 4096}})";

}  // namespace

const Family kGptOss{"gpt_oss", "GptOssForCausalLM", "gpt-oss", kDefaults, read_config, tensors, kKeys, from_gguf};

}  // namespace linnet
