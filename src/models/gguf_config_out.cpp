// The way from config.json to GGUF; gguf_config.cpp goes the other way.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "models/gguf_config.hpp"
#include "models/hf_config.hpp"

namespace linnet {

std::vector<std::pair<std::string, Tensor>> rope_tensors(const TransformerConfig& config) {
  std::vector<std::pair<std::string, Tensor>> out;
  if (config.ropes.empty()) return out;
  const RopeSpec& rope = config.ropes[0];
  const auto add = [&](const char* name, const std::vector<double>& factors) {
    std::vector<float> numbers(factors.begin(), factors.end());
    out.emplace_back(name, Tensor::from(numbers, {static_cast<int64_t>(numbers.size())}));
  };
  if (rope.kind == RopeKind::kLongRope) {
    add("rope_factors_long.weight", rope.long_factor);
    add("rope_factors_short.weight", rope.short_factor);
  } else if (rope.kind == RopeKind::kLlama3) {
    RopeSpec plain{.theta = rope.theta, .rotary_dim = rope.rotary_dim};
    const std::vector<float> before = inverse_frequencies(plain, 0);
    const std::vector<float> after = inverse_frequencies(rope, 0);
    std::vector<double> divisors;
    for (size_t i = 0; i < before.size(); ++i) divisors.push_back(double{before[i]} / after[i]);
    add("rope_freqs.weight", divisors);
  } else if (!rope.divisors.empty()) {
    add("rope_freqs.weight", rope.divisors);
  }
  return out;
}

namespace {

bool slides(const TransformerConfig& config) {
  return std::any_of(config.layers.begin(), config.layers.end(),
                     [&](const LayerConfig& l) { return l.window > 0 && l.window < config.max_positions; });
}

bool has_dense_layer(const TransformerConfig& config) {
  return std::any_of(config.layers.begin(), config.layers.end(), [](const LayerConfig& l) { return !l.experts; });
}

// Whether llama.cpp, which does not know `field`, would compute something else than this model does.
bool matters(std::string_view field, const Json& value, const TransformerConfig& config) {
  if (field == "query_pre_attn_scalar") return value != gguf_query_scalar(config);
  if (field == "no_rope_layers") {
    for (size_t l = 0; l < config.layers.size(); ++l) {
      if (config.layers[l].rope != ((l + 1) % 4 != 0)) return true;
    }
    return false;
  }
  if (field == "norm_topk_prob") return value != true;
  if (field == "decoder_sparse_step" || field == "mlp_only_layers") return has_dense_layer(config);
  return slides(config);  // sliding_window and the fields that say where
}

// `json` with the fields that it may leave to defaults which llama.cpp does not share.
Json spelt_out(const Json& json, const TransformerConfig& config) {
  Json full = json;
  Json rotated = Json::array();
  for (const LayerConfig& layer : config.layers) rotated.push_back(layer.rope ? 1 : 0);
  full["no_rope_layers"] = std::move(rotated);
  full["norm_topk_prob"] = config.moe.weights == ops::RouterWeights::kSoftmaxThenTopScaled;
  return full;
}

class MetadataBuilder {
 public:
  MetadataBuilder(const Family& family, const TransformerConfig& config)
      : family_(family), config_(config), arch_(family.gguf_arch) {}

  GgufMetadataOut build(const Json& json) {
    put("general.architecture", arch_);
    if (arch_ != family_.model_type) put("linnet.model_type", std::string(family_.model_type));
    const Json full = spelt_out(json, config_);
    for (const GgufKey& key : family_.gguf_keys) copy(key, full);
    put_sizes();
    put_windows();
    if (!config_.ropes.empty()) put_rope();
    return std::move(out_);
  }

 private:
  void put(const std::string& key, Json value) { out_.entries.emplace_back(key, std::move(value)); }
  // Unless it is there.
  void put_missing(const std::string& key, Json value) {
    const std::string full = arch_ + "." + key;
    const bool there =
        std::any_of(out_.entries.begin(), out_.entries.end(), [&](const auto& entry) { return entry.first == full; });
    if (!there) put(full, std::move(value));
  }
  bool maps(std::string_view field) const {
    return std::any_of(family_.gguf_keys.begin(), family_.gguf_keys.end(),
                       [&](const GgufKey& key) { return key.hf == field && !key.gguf.empty(); });
  }

  void copy(const GgufKey& key, const Json& json) {
    const auto it = json.find(key.hf);
    if (key.hf == kLayerTypes && !key.gguf.empty()) return;  // put_windows
    if (it == json.end() || it->is_null() || (key.gguf.empty() && !matters(key.hf, *it, config_))) return;
    if (!key.gguf.empty()) {
      put(full_gguf_key(arch_, key.gguf), *it);
      return;
    }
    put("linnet." + std::string(key.hf), dump_json(*it));
    out_.warnings.push_back(
        fmt::format("\"{0}\" has no key in GGUF: it goes into linnet.{0}, which llama.cpp ignores", key.hf));
  }

  // From what the config means, since config.json spells it in many ways.
  void put_sizes() {
    const TransformerConfig& c = config_;
    put_missing("embedding_length", c.hidden_size);
    put_missing("block_count", c.num_layers());
    put_missing("attention.head_count", c.num_heads);
    put_missing("attention.head_count_kv", c.num_kv_heads);
    put_missing("feed_forward_length", c.intermediate_size);
    put_missing("context_length", c.max_positions);
    put_missing(c.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
                c.norm_eps);
    put_missing("attention.key_length", c.head_dim);
    put_missing("attention.value_length", c.head_dim);
    put_missing("vocab_size", c.vocab_size);
    if (c.moe.experts > 0) {
      put_missing("expert_count", c.moe.experts);
      put_missing("expert_used_count", c.moe.top_k);
      put_missing("expert_feed_forward_length", c.moe.intermediate_size);
    }
    if (!c.causal) put_missing("attention.causal", false);
  }

  void put_windows() {
    if (maps(kLayerTypes)) {
      Json pattern = Json::array();
      for (const LayerConfig& layer : config_.layers) pattern.push_back(layer.window > 0);
      put(arch_ + "." + std::string(kWindowPattern), std::move(pattern));
    } else if (maps("sliding_window") && slides(config_)) {
      out_.warnings.emplace_back("llama.cpp ignores the sliding window of this family");
    }
  }

  void put_rope() {
    if (config_.ropes.size() > 1) put_missing("rope.freq_base_swa", config_.ropes[1].theta);
    const RopeSpec& rope = config_.ropes[0];
    put(arch_ + ".rope.freq_base", rope.theta);
    put(arch_ + ".rope.dimension_count", rope.rotary_dim);
    const std::string scaling = arch_ + ".rope.scaling.";
    if (rope.kind == RopeKind::kLinear || rope.kind == RopeKind::kYarn) {
      put(scaling + "type", rope.kind == RopeKind::kYarn ? "yarn" : "linear");
      put(scaling + "factor", rope.factor);
    }
    if (rope.original_context > 0) put(scaling + "original_context_length", rope.original_context);
    if (rope.kind == RopeKind::kYarn) {
      put(scaling + "yarn_beta_fast", rope.beta_fast);
      put(scaling + "yarn_beta_slow", rope.beta_slow);
      const double ratio = rope.attention_factor / yarn_attention_factor(rope.factor);
      if (std::abs(ratio - 1) > 1e-6) put(scaling + "attn_factor", ratio);
      put(std::string(kYarnTruncate), rope.truncate);
      if (!rope.truncate) {
        out_.warnings.push_back(fmt::format(
            "\"truncate\": false of the rope scaling has no key in GGUF: it goes into {}, which llama.cpp ignores",
            kYarnTruncate));
      }
    }
    if (rope.kind == RopeKind::kLongRope) {
      put(scaling + "attn_factor", rope.attention_factor);
      out_.warnings.emplace_back(
          "llama.cpp chooses between the short and the long rope factors by the context that it is given (longer than "
          "the original one or not), not by the length of the text");
    }
  }

  const Family& family_;
  const TransformerConfig& config_;
  std::string arch_;
  GgufMetadataOut out_;
};

}  // namespace

GgufMetadataOut config_to_gguf(const Family& family, const TransformerConfig& config, const Json& json) {
  return MetadataBuilder(family, config).build(json);
}

}  // namespace linnet
