// MPNet (arXiv:2004.09297) as an encoder of sentences: BERT without types of tokens, with RoBERTa's numbering of
// positions, and a bias for each bucket of distances that all layers share.
#include "models/families.hpp"
#include "models/hf_config.hpp"

namespace linnet {

namespace {

// The row of padding, which no token has; positions are counted from behind it.
constexpr int64_t kPaddingRow = 1;

Result<TransformerConfig> read_config(const JsonObject& json) {
  TRY_ASSIGN(TransformerConfig config, kBert.read_config(json));
  // transformers reads the field for the table's size alone, and counts with these.
  config.relative_buckets = 32;
  config.relative_distance = 128;
  TRY_ASSIGN(const int64_t buckets,
             json.integer_or("relative_attention_num_buckets", config.relative_buckets, 1, 65536));
  if (buckets != config.relative_buckets) {
    return unsupported("relative_attention_num_buckets " + std::to_string(buckets), json.place(), "supported: 32");
  }
  config.token_types = 0;
  config.first_position = kPaddingRow + 1;
  if (config.max_positions <= config.first_position) {
    return invalid("max_position_embeddings leaves no room for a token", json.place());
  }
  config.max_positions -= config.first_position;
  return config;
}

std::vector<TensorSpec> tensors(const TransformerConfig& c) {
  TensorTable table(c);
  table.within(-1, "", "");
  table.matrix(Role::kEmbedding, "embeddings.word_embeddings.weight", "", c.vocab_size, c.hidden_size);
  table.matrix(Role::kPositionEmbedding, "embeddings.position_embeddings.weight", "",
               c.first_position + c.max_positions, c.hidden_size);
  table.norm(Role::kEmbeddingNorm, "embeddings.LayerNorm", "", c.hidden_size);
  table.matrix(Role::kRelativeBias, "encoder.relative_attention_bias.weight", "", c.relative_buckets, c.num_heads);
  for (int64_t l = 0; l < c.num_layers(); ++l) {
    table.within(l, "encoder.layer." + std::to_string(l) + ".", "");
    table.linear(Role::kQuery, "attention.attn.q", "", c.hidden_size, c.hidden_size, true);
    table.linear(Role::kKey, "attention.attn.k", "", c.hidden_size, c.hidden_size, true);
    table.linear(Role::kValue, "attention.attn.v", "", c.hidden_size, c.hidden_size, true);
    table.linear(Role::kAttentionOutput, "attention.attn.o", "", c.hidden_size, c.hidden_size, true);
    table.norm(Role::kPostAttentionNorm, "attention.LayerNorm", "", c.hidden_size);
    table.linear(Role::kUp, "intermediate.dense", "", c.intermediate_size, c.hidden_size, true);
    table.linear(Role::kDown, "output.dense", "", c.hidden_size, c.intermediate_size, true);
    table.norm(Role::kPostMlpNorm, "output.LayerNorm", "", c.hidden_size);
  }
  return table.take();
}

constexpr std::string_view kDefaults = R"({
  "vocab_size": 30527, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
  "intermediate_size": 3072, "max_position_embeddings": 512})";

}  // namespace

const Family kMpnet{"mpnet", "MPNetModel", "", kDefaults, read_config, tensors, {}};

}  // namespace linnet
