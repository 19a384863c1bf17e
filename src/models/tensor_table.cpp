#include "models/tensor_table.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace linnet {

bool is_lookup(Role role) {
  return role == Role::kPositionEmbedding || role == Role::kTypeEmbedding || role == Role::kRelativeBias;
}

std::string name_of_expert(std::string pattern, int64_t expert) {
  const size_t hole = pattern.find("{}");
  return hole == std::string::npos ? pattern : pattern.replace(hole, 2, std::to_string(expert));
}

Shape stored_shape(const TensorSpec& spec) {
  const Shape& s = spec.shape;
  const Shape one = s.rank() == 2 && spec.transposed ? Shape{s[1], s[0]} : s;
  if (!spec.stacked) return one;
  return one.rank() == 2 ? Shape{spec.experts, one[0], one[1]} : Shape{spec.experts, one[0]};
}

std::vector<int64_t> gguf_row_order(const TensorSpec& spec) {
  std::vector<int64_t> order;
  const int64_t rows = spec.shape[0];
  if (spec.gguf_rows == GgufRows::kRopePairs) {
    const int64_t dim = rows / spec.heads;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t within = r % dim;
      order.push_back(r - within + within % 2 * (dim / 2) + within / 2);
    }
  } else if (spec.gguf_rows == GgufRows::kQkvByKind) {
    const int64_t dim = rows / spec.heads / 3;
    for (int64_t kind = 0; kind < 3; ++kind) {
      for (int64_t head = 0; head < spec.heads; ++head) {
        for (int64_t d = 0; d < dim; ++d) order.push_back((head * 3 + kind) * dim + d);
      }
    }
  }
  return order;
}

std::vector<LinearModule> linear_modules(std::span<const TensorSpec> table) {
  constexpr std::string_view kSuffix = ".weight";
  std::vector<LinearModule> modules;
  for (const TensorSpec& spec : table) {
    const bool linear = spec.shape.rank() == 2 && !spec.bias && !spec.stacked && spec.name.ends_with(kSuffix) &&
                        spec.role != Role::kEmbedding && !is_lookup(spec.role);
    if (!linear) continue;
    for (int64_t e = 0; e < std::max<int64_t>(spec.experts, 1); ++e) {
      std::string name = name_of_expert(spec.name, e);
      name.resize(name.size() - kSuffix.size());
      modules.push_back({std::move(name), &spec, static_cast<size_t>(e)});
    }
  }
  return modules;
}

void TensorTable::within(int64_t layer, std::string prefix, std::string gguf_prefix) {
  layer_ = layer;
  prefix_ = std::move(prefix);
  gguf_prefix_ = std::move(gguf_prefix);
}

namespace {

// Column-parallel projections cut their outputs, row-parallel ones their inputs (Megatron-LM, arXiv:1909.08053).
int shard_axis_of(Role role) {
  switch (role) {
    case Role::kQkv:
    case Role::kQuery:
    case Role::kKey:
    case Role::kValue:
    case Role::kGateUp:
    case Role::kGate:
    case Role::kUp:
    case Role::kExpertGateUp:
    case Role::kExpertGate:
    case Role::kExpertUp:
    case Role::kEmbedding:
    case Role::kHead:
      return 0;
    case Role::kAttentionOutput:
    case Role::kDown:
    case Role::kExpertDown:
      return 1;
    default:
      return -1;
  }
}

}  // namespace

TensorSpec& TensorTable::matrix(Role role, std::string_view name, std::string_view gguf, int64_t out, int64_t in) {
  TensorSpec spec;
  spec.role = role;
  spec.layer = layer_;
  spec.name = prefix_ + std::string(name);
  if (!gguf.empty()) spec.gguf = gguf_prefix_ + std::string(gguf);
  spec.shape = {out, in};
  spec.quantise = !is_lookup(role) && role != Role::kRouter;
  spec.shard_axis = shard_axis_of(role);
  specs_.push_back(std::move(spec));
  return specs_.back();
}

TensorSpec& TensorTable::vector(Role role, std::string_view name, std::string_view gguf, int64_t size) {
  TensorSpec& spec = matrix(role, name, gguf, 1, size);
  spec.shape = {size};
  spec.quantise = false;
  spec.shard_axis = -1;
  return spec;
}

void TensorTable::norm(Role role, std::string_view name, std::string_view gguf, int64_t size) {
  const std::string g(gguf);
  vector(role, std::string(name) + ".weight", g.empty() ? g : g + ".weight", size).gguf_offset = config_->norm_offset;
  if (config_->norm == NormKind::kLayer) {
    vector(role, std::string(name) + ".bias", g.empty() ? g : g + ".bias", size).bias = true;
  }
}

TensorSpec& TensorTable::linear(Role role, std::string_view name, std::string_view gguf, int64_t out, int64_t in,
                                bool bias, GgufRows rows, int64_t heads) {
  const auto in_gguf = [&](std::string_view part) { return gguf.empty() ? "" : std::string(gguf).append(part); };
  const auto ordered = [&](TensorSpec& spec) -> TensorSpec& {
    spec.gguf_rows = rows;
    spec.heads = static_cast<int>(heads);
    return spec;
  };
  if (bias) ordered(vector(role, std::string(name) + ".bias", in_gguf(".bias"), out)).bias = true;
  return ordered(matrix(role, std::string(name) + ".weight", in_gguf(".weight"), out, in));
}

void add_llama_attention(TensorTable& table, GgufRows rows) {
  const TransformerConfig& c = table.config();
  const int64_t q_size = c.num_heads * c.head_dim;
  const int64_t kv_size = c.num_kv_heads * c.head_dim;
  table.linear(Role::kQuery, "self_attn.q_proj", "attn_q", q_size, c.hidden_size, c.qkv_bias, rows, c.num_heads);
  table.linear(Role::kKey, "self_attn.k_proj", "attn_k", kv_size, c.hidden_size, c.qkv_bias, rows, c.num_kv_heads);
  table.linear(Role::kValue, "self_attn.v_proj", "attn_v", kv_size, c.hidden_size, c.qkv_bias);
  table.linear(Role::kAttentionOutput, "self_attn.o_proj", "attn_output", c.hidden_size, q_size, c.output_bias);
  if (c.qk_norm != QkNorm::kNone) {
    const bool whole = c.qk_norm == QkNorm::kWhole;
    table.norm(Role::kQueryNorm, "self_attn.q_norm", "attn_q_norm", whole ? q_size : c.head_dim);
    table.norm(Role::kKeyNorm, "self_attn.k_norm", "attn_k_norm", whole ? kv_size : c.head_dim);
  }
}

void add_llama_mlp(TensorTable& table) {
  const TransformerConfig& c = table.config();
  table.linear(Role::kGate, "mlp.gate_proj", "ffn_gate", c.intermediate_size, c.hidden_size, c.mlp_bias);
  table.linear(Role::kUp, "mlp.up_proj", "ffn_up", c.intermediate_size, c.hidden_size, c.mlp_bias);
  table.linear(Role::kDown, "mlp.down_proj", "ffn_down", c.hidden_size, c.intermediate_size, c.mlp_bias);
}

void add_llama_ends(TensorTable& table) {
  const TransformerConfig& c = table.config();
  table.within(-1, "", "");
  table.matrix(Role::kEmbedding, "model.embed_tokens.weight", "token_embd.weight", c.vocab_size, c.hidden_size);
  table.norm(Role::kFinalNorm, "model.norm", "output_norm", c.hidden_size);
  if (!c.tied_head) table.linear(Role::kHead, "lm_head", "output", c.vocab_size, c.hidden_size, c.head_bias);
}

std::vector<TensorSpec> llama_tensors(const TransformerConfig& config, GgufRows rows) {
  TensorTable table(config);
  add_llama_ends(table);
  for (int64_t l = 0; l < config.num_layers(); ++l) {
    const std::string number = std::to_string(l);
    table.within(l, "model.layers." + number + ".", "blk." + number + ".");
    table.norm(Role::kAttentionNorm, "input_layernorm", "attn_norm", config.hidden_size);
    add_llama_attention(table, rows);
    table.norm(Role::kMlpNorm, "post_attention_layernorm", "ffn_norm", config.hidden_size);
    add_llama_mlp(table);
  }
  return table.take();
}

}  // namespace linnet
