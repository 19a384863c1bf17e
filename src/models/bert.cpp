// BERT (arXiv:1810.04805) as an encoder of sentences: attention both ways, norms after each sum, no head.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, read_llama_config(json));
  TRY_ASSIGN(const double eps, json.number_or("layer_norm_eps", 1e-12));
  TRY_ASSIGN(const std::string positions, json.string_or("position_embedding_type", "absolute"));
  if (positions != "absolute") return unsupported("position_embedding_type \"" + positions + "\"", json.place());
  TRY_ASSIGN(config.activation, read_activation(json, "hidden_act", "gelu"));
  TRY_ASSIGN(config.token_types, json.integer_or("type_vocab_size", 2, 1, 65536));
  config.norm_eps = static_cast<float>(eps);
  config.norm = NormKind::kLayer;
  config.placement = NormPlacement::kAfterSum;
  config.causal = false;
  config.gated = false;
  config.qkv_bias = config.output_bias = config.mlp_bias = true;
  config.ropes.clear();
  config.embedding_norm = true;
  config.final_norm = false;
  config.has_head = false;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  table.within(-1, "embeddings.", "");
  table.matrix(Role::kEmbedding, "word_embeddings.weight", "token_embd.weight", c.vocab_size, c.hidden_size);
  table.matrix(Role::kPositionEmbedding, "position_embeddings.weight", "position_embd.weight", c.max_positions,
               c.hidden_size);
  table.matrix(Role::kTypeEmbedding, "token_type_embeddings.weight", "token_types.weight", c.token_types,
               c.hidden_size);
  table.norm(Role::kEmbeddingNorm, "LayerNorm", "token_embd_norm", c.hidden_size);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "encoder.layer." + number + ".", "blk." + number + ".");
    table.linear(Role::kQuery, "attention.self.query", "attn_q", c.hidden_size, c.hidden_size, true);
    table.linear(Role::kKey, "attention.self.key", "attn_k", c.hidden_size, c.hidden_size, true);
    table.linear(Role::kValue, "attention.self.value", "attn_v", c.hidden_size, c.hidden_size, true);
    table.linear(Role::kAttentionOutput, "attention.output.dense", "attn_output", c.hidden_size, c.hidden_size, true);
    table.norm(Role::kPostAttentionNorm, "attention.output.LayerNorm", "attn_output_norm", c.hidden_size);
    table.linear(Role::kUp, "intermediate.dense", "ffn_up", c.intermediate_size, c.hidden_size, true);
    table.linear(Role::kDown, "output.dense", "ffn_down", c.hidden_size, c.intermediate_size, true);
    table.norm(Role::kPostMlpNorm, "output.LayerNorm", "layer_output_norm", c.hidden_size);
  }
  return table.take();
}

constexpr GgufKey kKeys[] = {{"type_vocab_size", "tokenizer.ggml.token_type_count"}};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
  "intermediate_size": 3072, "max_position_embeddings": 512})";

}  // namespace

const Family kBert{"bert", "BertModel", "bert", kDefaults, read_config, tensors, kKeys};

}  // namespace linnet
