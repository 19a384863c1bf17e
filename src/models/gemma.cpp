// Gemma 1 to 3 (arXiv:2403.08295, 2408.00118, 2503.19786): scaled embeddings, norms stored less 1, GELU gates; from 2
// on norms on both sides and sliding windows, in 2 soft caps, in 3 norms on q and k and two RoPE bases.
#include <cmath>

#include "models/families.hpp"
#include "models/gguf_config.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_gemma(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(config.tied_head, json.boolean_or("tie_word_embeddings", true));
  // Gemma 1's configs say "gelu" and mean the tanh form, which transformers also uses.
  config.activation = ops::Activation::kGeluTanh;
  config.norm_offset = 1;
  config.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(config.hidden_size)));
  return config;
}

Status read_query_scale(const JsonObject& json, TransformerConfig& config) {
  TRY_ASSIGN(const double scalar, json.number_or("query_pre_attn_scalar", static_cast<double>(config.head_dim)));
  if (!(scalar > 0)) return invalid("field \"query_pre_attn_scalar\" must be positive", json.place());
  config.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  return ok_status();
}

Result<TransformerConfig> read_gemma2(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_gemma(json));
  TRY_ASSIGN(config.activation, read_activation(json, "hidden_activation", "gelu_pytorch_tanh"));
  config.placement = NormPlacement::kPreAndPost;
  TRY(read_query_scale(json, config));
  TRY(read_layer_types(json, 2, config));
  TRY_ASSIGN(const double attention_cap, json.number_or("attn_logit_softcapping", 0));
  TRY_ASSIGN(const double final_cap, json.number_or("final_logit_softcapping", 0));
  config.attention_softcap = static_cast<float>(attention_cap);
  config.final_softcap = static_cast<float>(final_cap);
  return config;
}

Result<TransformerConfig> read_gemma3(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_gemma2(json));
  TRY_ASSIGN(const int64_t pattern, json.integer_or("sliding_window_pattern", 6, 1, kMaxLayers));
  TRY(read_layer_types(json, pattern, config));
  config.qk_norm = QkNorm::kPerHead;
  TRY_ASSIGN(RopeSpec global, read_rope(json, config.head_dim, 1000000, RopeOf::kFull));
  TRY_ASSIGN(RopeSpec local, read_rope(json, config.head_dim, 10000, RopeOf::kSliding));
  config.ropes = {std::move(global), std::move(local)};
  for (LayerConfig& layer : config.layers) layer.rope_index = layer.window > 0 ? 1 : 0;
  return config;
}

std::vector<TensorSpec> tensors_gemma(const TransformerConfig& config) {
  return llama_tensors(config);
}

std::vector<TensorSpec> tensors_sandwich(const TransformerConfig& c) {
  TensorTable table(c);
  add_llama_ends(table);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", c.hidden_size);
    add_llama_attention(table);
    table.norm(Role::kPostAttentionNorm, "post_attention_layernorm", "post_attention_norm", c.hidden_size);
    table.norm(Role::kMlpNorm, "pre_feedforward_layernorm", "ffn_norm", c.hidden_size);
    add_llama_mlp(table);
    table.norm(Role::kPostMlpNorm, "post_feedforward_layernorm", "post_ffw_norm", c.hidden_size);
  }
  return table.take();
}

constexpr GgufKey kGemma2Keys[] = {{"sliding_window", "attention.sliding_window"},
                                   {"attn_logit_softcapping", "attn_logit_softcapping"},
                                   {"final_logit_softcapping", "final_logit_softcapping"},
                                   {"query_pre_attn_scalar", ""},
                                   {"layer_types", "attention.sliding_window_pattern"}};
constexpr GgufKey kGemma3Keys[] = {{"sliding_window", "attention.sliding_window"},
                                   {"rope_local_base_freq", "rope.freq_base_swa"},
                                   {"query_pre_attn_scalar", ""},
                                   {"layer_types", "attention.sliding_window_pattern"}};

Status query_scale_from_gguf(Json& config) {
  if (config.contains("query_pre_attn_scalar")) return ok_status();
  TRY_ASSIGN(const JsonObject object, JsonObject::of(config, "GGUF metadata"));
  TRY_ASSIGN(const TransformerConfig sizes, read_llama_config(object));
  config["query_pre_attn_scalar"] = gguf_query_scalar(sizes);
  return ok_status();
}

constexpr std::string_view kDefaults1 = R"({
  "vocab_size": 256000, "hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
  "num_key_value_heads": 16, "head_dim": 256, "intermediate_size": 24576, "max_position_embeddings": 8192})";

constexpr std::string_view kDefaults2 = R"({
  "vocab_size": 256000, "hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8,
  "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216, "max_position_embeddings": 8192,
  "sliding_window": 4096, "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50, "final_logit_softcapping": 30})";

constexpr std::string_view kDefaults3 = R"({
  "vocab_size": 262208, "hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8,
  "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216, "max_position_embeddings": 131072,
  "sliding_window": 4096, "query_pre_attn_scalar": 256})";

}  // namespace

const Family kGemma{"gemma", "GemmaForCausalLM", "gemma", kDefaults1, read_gemma, tensors_gemma, {}};
const Family kGemma2{"gemma2",    "Gemma2ForCausalLM", "gemma2",    kDefaults2,
                     read_gemma2, tensors_sandwich,    kGemma2Keys, query_scale_from_gguf};
const Family kGemma3{"gemma3_text", "Gemma3ForCausalLM", "gemma3",    kDefaults3,
                     read_gemma3,   tensors_sandwich,    kGemma3Keys, query_scale_from_gguf};

}  // namespace linnet
