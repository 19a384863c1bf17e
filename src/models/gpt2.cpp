// GPT-2 (Radford et al. 2019): learned positions, LayerNorm, matrices stored transposed (Conv1D).
#include <cmath>

#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TransformerConfig c;
  TRY_ASSIGN(c.model_type, json.string("model_type"));
  TRY_ASSIGN(c.vocab_size, json.integer("vocab_size", 1, kMaxSize));
  TRY_ASSIGN(c.hidden_size, json.integer("n_embd", 1, kMaxSize));
  TRY_ASSIGN(const int64_t layers, json.integer("n_layer", 1, kMaxLayers));
  c.layers.resize(static_cast<size_t>(layers));
  TRY_ASSIGN(c.num_heads, json.integer("n_head", 1, c.hidden_size));
  if (c.hidden_size % c.num_heads) return invalid("n_head must divide n_embd", json.place());
  c.num_kv_heads = c.num_heads;
  c.head_dim = c.hidden_size / c.num_heads;
  TRY_ASSIGN(c.intermediate_size, json.integer_or("n_inner", 4 * c.hidden_size, 1, kMaxSize));
  TRY_ASSIGN(c.max_positions, json.integer("n_positions", 1, kMaxSize));
  TRY_ASSIGN(const double eps, json.number_or("layer_norm_epsilon", 1e-5));
  c.norm_eps = static_cast<float>(eps);
  TRY_ASSIGN(c.activation, read_activation(json, "activation_function", "gelu_new"));
  TRY_ASSIGN(const bool scaled, json.boolean_or("scale_attn_weights", true));
  TRY_ASSIGN(const bool by_layer, json.boolean_or("scale_attn_by_inverse_layer_idx", false));
  if (by_layer) return unsupported("scale_attn_by_inverse_layer_idx is not supported", json.place());
  c.attention_scale = scaled ? static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim))) : 1.0f;
  TRY_ASSIGN(c.tied_head, json.boolean_or("tie_word_embeddings", true));
  c.norm = NormKind::kLayer;
  c.fused_qkv = c.qkv_bias = c.output_bias = c.mlp_bias = true;
  c.gated = false;
  return c;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  table.within(-1, "transformer.", "");
  table.matrix(Role::kEmbedding, "wte.weight", "token_embd.weight", c.vocab_size, c.hidden_size);
  table.matrix(Role::kPositionEmbedding, "wpe.weight", "position_embd.weight", c.max_positions, c.hidden_size);
  table.norm(Role::kFinalNorm, "ln_f", "output_norm", c.hidden_size);
  if (!c.tied_head) {
    table.within(-1, "", "");
    table.linear(Role::kHead, "lm_head", "output", c.vocab_size, c.hidden_size, false);
  }
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "transformer.h." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "ln_1", "attn_norm", c.hidden_size);
    table.linear(Role::kQkv, "attn.c_attn", "attn_qkv", 3 * c.hidden_size, c.hidden_size, true).transposed = true;
    table.linear(Role::kAttentionOutput, "attn.c_proj", "attn_output", c.hidden_size, c.hidden_size, true).transposed =
        true;
    table.norm(Role::kMlpNorm, "ln_2", "ffn_norm", c.hidden_size);
    table.linear(Role::kUp, "mlp.c_fc", "ffn_up", c.intermediate_size, c.hidden_size, true).transposed = true;
    table.linear(Role::kDown, "mlp.c_proj", "ffn_down", c.hidden_size, c.intermediate_size, true).transposed = true;
  }
  return table.take();
}

// GPT-2's config.json has names of its own.
constexpr GgufKey kKeys[] = {
    {"n_embd", "embedding_length"},     {"n_layer", "block_count"},
    {"n_head", "attention.head_count"}, {"n_inner", "feed_forward_length"},
    {"n_positions", "context_length"},  {"layer_norm_epsilon", "attention.layer_norm_epsilon"}};

constexpr std::string_view kDefaults =
    R"({"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024})";

}  // namespace

const Family kGpt2{"gpt2", "GPT2LMHeadModel", "gpt2", kDefaults, read_config, tensors, kKeys};

}  // namespace linnet
