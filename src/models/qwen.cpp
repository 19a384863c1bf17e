// Qwen 2, 2.5 (arXiv:2407.10671, 2412.15115): Llama with biases on q, k, v. Qwen 3 and its mixtures (arXiv:2505.09388):
// norms on q and k instead.
#include "base/json.hpp"
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

// Layers from max_window_layers on slide, where use_sliding_window asks for it.
Status read_windows(const JsonObject& json, TransformerConfig& config) {
  TRY_ASSIGN(const bool slides, json.boolean_or("use_sliding_window", false));
  if (!slides) return ok_status();
  if (json.has("layer_types")) return read_layer_types(json, 0, config);
  TRY_ASSIGN(const int64_t window, json.integer_or("sliding_window", 0, 0, kMaxSize));
  TRY_ASSIGN(const int64_t first, json.integer_or("max_window_layers", 28, 0, kMaxLayers));
  for (int64_t l = first; l < config.num_layers(); ++l) config.layers[static_cast<size_t>(l)].window = window;
  return ok_status();
}

Result<TransformerConfig> read_qwen2(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY(read_windows(json, config));
  config.qkv_bias = true;
  return config;
}

Result<TransformerConfig> read_qwen3(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY(read_windows(json, config));
  TRY_ASSIGN(config.qkv_bias, json.boolean_or("attention_bias", false));
  config.output_bias = config.qkv_bias;
  config.qk_norm = QkNorm::kPerHead;
  return config;
}

Result<TransformerConfig> read_qwen3_moe(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_qwen3(json));
  // transformers 5 writes num_local_experts.
  const char* count_key = json.has("num_experts") ? "num_experts" : "num_local_experts";
  TRY_ASSIGN(config.moe.experts, json.integer(count_key, 1, 65536));
  TRY_ASSIGN(config.moe.top_k, json.integer("num_experts_per_tok", 1, config.moe.experts));
  TRY_ASSIGN(config.moe.intermediate_size, json.integer("moe_intermediate_size", 1, kMaxSize));
  TRY_ASSIGN(const bool scaled, json.boolean_or("norm_topk_prob", false));
  config.moe.weights = scaled ? ops::RouterWeights::kSoftmaxThenTopScaled : ops::RouterWeights::kSoftmaxThenTop;
  TRY_ASSIGN(const int64_t step, json.integer_or("decoder_sparse_step", 1, 1, kMaxLayers));
  for (int64_t l = 0; l < config.num_layers(); ++l) config.layers[static_cast<size_t>(l)].experts = (l + 1) % step == 0;
  if (!json.has("mlp_only_layers")) return config;
  TRY_ASSIGN(const std::vector<double> dense, json.numbers("mlp_only_layers"));
  for (const double l : dense) {
    if (l < 0 || l >= static_cast<double>(config.num_layers()))
      return invalid("mlp_only_layers names a layer that is not there", json.place());
    config.layers[static_cast<size_t>(l)].experts = false;
  }
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& config) {
  return llama_tensors(config);
}

std::vector<TensorSpec> tensors_moe(const TransformerConfig& c) {
  TensorTable table(c);
  add_llama_ends(table);
  const int64_t inner = c.moe.intermediate_size;
  const int64_t experts = c.moe.experts;
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    add_llama_attention(table);
    table.norm(Role::kMlpNorm, "post_attention_layernorm", "ffn_norm", c.hidden_size);
    if (!c.layers[static_cast<size_t>(l)].experts) {
      add_llama_mlp(table);
      continue;
    }
    table.matrix(Role::kRouter, "mlp.gate.weight", "ffn_gate_inp.weight", experts, c.hidden_size);
    table.matrix(Role::kExpertGate, "mlp.experts.{}.gate_proj.weight", "ffn_gate_exps.weight", inner, c.hidden_size)
        .experts = experts;
    table.matrix(Role::kExpertUp, "mlp.experts.{}.up_proj.weight", "ffn_up_exps.weight", inner, c.hidden_size).experts =
        experts;
    table.matrix(Role::kExpertDown, "mlp.experts.{}.down_proj.weight", "ffn_down_exps.weight", c.hidden_size, inner)
        .experts = experts;
  }
  return table.take();
}

// llama.cpp knows no windows in these families.
constexpr GgufKey kWindowKeys[] = {
    {"use_sliding_window", ""}, {"sliding_window", ""}, {"max_window_layers", ""}, {"layer_types", ""}};
constexpr GgufKey kMoeKeys[] = {{"num_experts", "expert_count"},
                                {"num_experts_per_tok", "expert_used_count"},
                                {"moe_intermediate_size", "expert_feed_forward_length"},
                                {"norm_topk_prob", ""},
                                {"decoder_sparse_step", ""},
                                {"mlp_only_layers", ""},
                                {"use_sliding_window", ""},
                                {"sliding_window", ""},
                                {"max_window_layers", ""},
                                {"layer_types", ""}};

// llama.cpp always scales the chosen experts' weights to sum to 1.
Status moe_from_gguf(Json& config) {
  if (!config.contains("norm_topk_prob")) config["norm_topk_prob"] = true;
  return ok_status();
}

constexpr std::string_view kQwen2Defaults = R"({
  "vocab_size": 151936, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 32, "intermediate_size": 22016, "max_position_embeddings": 32768, "sliding_window": 4096})";

constexpr std::string_view kQwen3Defaults = R"({
  "vocab_size": 151936, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 32, "head_dim": 128, "intermediate_size": 22016, "max_position_embeddings": 32768,
  "sliding_window": 4096})";

constexpr std::string_view kMoeDefaults = R"({
  "vocab_size": 151936, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
  "num_key_value_heads": 4, "intermediate_size": 6144, "max_position_embeddings": 32768, "sliding_window": 4096,
  "num_local_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768})";

}  // namespace

const Family kQwen2{"qwen2", "Qwen2ForCausalLM", "qwen2", kQwen2Defaults, read_qwen2, tensors, kWindowKeys};
const Family kQwen3{"qwen3", "Qwen3ForCausalLM", "qwen3", kQwen3Defaults, read_qwen3, tensors, kWindowKeys};
const Family kQwen3Moe{"qwen3_moe",    "Qwen3MoeForCausalLM", "qwen3moe", kMoeDefaults,
                       read_qwen3_moe, tensors_moe,           kMoeKeys,   moe_from_gguf};

}  // namespace linnet
