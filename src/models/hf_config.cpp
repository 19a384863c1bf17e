#include "models/hf_config.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <optional>

#include "base/json.hpp"

namespace linnet {

Result<ops::Activation> read_activation(const JsonObject& json, std::string_view key, std::string_view fallback) {
  TRY_ASSIGN(const std::string name, json.string_or(key, std::string(fallback)));
  if (name == "silu" || name == "swish") return ops::Activation::kSilu;
  if (name == "gelu") return ops::Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return ops::Activation::kGeluTanh;
  if (name == "relu") return ops::Activation::kRelu;
  return unsupported(fmt::format("activation \"{}\"", name), json.place(),
                     "supported: silu, gelu, gelu_new, gelu_pytorch_tanh, relu");
}

double yarn_attention_factor(double factor) {
  return factor <= 1 ? 1 : 0.1 * std::log(factor) + 1;
}

namespace {

Result<std::vector<double>> read_factors(const JsonObject& json, std::string_view key, int64_t count) {
  TRY_ASSIGN(std::vector<double> factors, json.numbers(key));
  if (static_cast<int64_t>(factors.size()) != count ||
      std::any_of(factors.begin(), factors.end(), [](double f) { return f <= 0; })) {
    return invalid(fmt::format("field \"{}\" must be {} positive numbers", key, count), json.place());
  }
  return factors;
}

// What transformers calls attention_factor when the config does not give it.
double default_attention_factor(const RopeSpec& rope) {
  if (rope.kind == RopeKind::kYarn) return yarn_attention_factor(rope.factor);
  if (rope.factor <= 1) return 1;
  if (rope.kind == RopeKind::kLongRope) {
    return std::sqrt(1 + std::log(rope.factor) / std::log(static_cast<double>(rope.original_context)));
  }
  return 1;
}

Result<RopeKind> parse_kind(const std::string& name, const std::string& place) {
  if (name == "default") return RopeKind::kDefault;
  if (name == "linear") return RopeKind::kLinear;
  if (name == "llama3") return RopeKind::kLlama3;
  if (name == "yarn") return RopeKind::kYarn;
  if (name == "longrope" || name == "su") return RopeKind::kLongRope;
  return unsupported(fmt::format("rope type \"{}\"", name), place,
                     "supported: default, linear, llama3, yarn, longrope");
}

// The stretching part: `scaling` is rope_scaling or rope_parameters, `json` the whole config.
Status read_scaling(const JsonObject& json, const JsonObject& scaling, RopeSpec& rope) {
  TRY_ASSIGN(std::string name, scaling.string_or("rope_type", ""));
  if (name.empty()) {
    TRY_ASSIGN(name, scaling.string_or("type", "default"));
  }
  TRY_ASSIGN(rope.kind, parse_kind(name, scaling.place()));
  if (rope.kind == RopeKind::kDefault) return ok_status();
  TRY_ASSIGN(const int64_t positions, json.integer_or("max_position_embeddings", 0, 0, kMaxSize));
  TRY_ASSIGN(const int64_t inner, scaling.integer_or("original_max_position_embeddings", positions, 1, kMaxSize));
  TRY_ASSIGN(rope.original_context, json.integer_or("original_max_position_embeddings", inner, 1, kMaxSize));
  const double ratio = static_cast<double>(positions) / static_cast<double>(rope.original_context);
  if (rope.kind == RopeKind::kLongRope) {
    TRY_ASSIGN(rope.factor, scaling.number_or("factor", ratio));
    TRY_ASSIGN(rope.short_factor, read_factors(scaling, "short_factor", rope.rotary_dim / 2));
    TRY_ASSIGN(rope.long_factor, read_factors(scaling, "long_factor", rope.rotary_dim / 2));
  } else {
    TRY_ASSIGN(rope.factor, scaling.number("factor"));
  }
  if (rope.factor <= 0) return invalid("field \"factor\" must be positive", scaling.place());
  if (rope.kind == RopeKind::kLlama3) {
    TRY_ASSIGN(rope.low_freq_factor, scaling.number("low_freq_factor"));
    TRY_ASSIGN(rope.high_freq_factor, scaling.number("high_freq_factor"));
    if (!(rope.high_freq_factor > rope.low_freq_factor && rope.low_freq_factor > 0)) {
      return invalid("must have 0 < low_freq_factor < high_freq_factor", scaling.place());
    }
  }
  if (rope.kind == RopeKind::kYarn) {
    TRY_ASSIGN(rope.beta_fast, scaling.number_or("beta_fast", 32));
    TRY_ASSIGN(rope.beta_slow, scaling.number_or("beta_slow", 1));
    TRY_ASSIGN(rope.truncate, scaling.boolean_or("truncate", true));
  }
  TRY_ASSIGN(rope.attention_factor, scaling.number_or("attention_factor", default_attention_factor(rope)));
  return ok_status();
}

bool has_fields(const JsonObject& json, std::string_view key) {
  const Json* value = json.find(key);
  return value && !value->empty();
}

}  // namespace

Json with_defaults(Json config, std::string_view defaults) {
  Json rope;  // a copy: fields move while others are added
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto said = config.find(key);
    if (said != config.end() && said->is_object() && !said->empty()) rope = *said;
  }
  const Json all = Json::parse(defaults);
  for (const auto& [key, value] : all.items()) {
    if (config.contains(key) || (key == "rope_scaling" && !rope.is_null())) continue;
    const bool of_rope = key == "rope_theta" || key == "partial_rotary_factor";
    if (!of_rope || !rope.contains(key)) config[key] = value;
  }
  return config;
}

Result<RopeSpec> read_rope(const JsonObject& json, int64_t head_dim, double default_theta, RopeOf of) {
  RopeSpec rope;
  std::optional<JsonObject> said;
  if (has_fields(json, "rope_parameters")) {
    TRY_ASSIGN(said, json.object("rope_parameters"));
    const std::string_view kind = of == RopeOf::kSliding ? "sliding_attention" : "full_attention";
    if (of != RopeOf::kAll && said->has(kind)) {
      TRY_ASSIGN(said, said->object(kind));
    }
  }
  TRY_ASSIGN(rope.theta, json.number_or(of == RopeOf::kSliding ? "rope_local_base_freq" : "rope_theta", default_theta));
  TRY_ASSIGN(double part, json.number_or("partial_rotary_factor", 1));
  if (of != RopeOf::kSliding && has_fields(json, "rope_scaling")) {
    // Of several ropes it changes the one of full attention; of one it takes the place.
    if (said && of == RopeOf::kFull) {
      TRY_ASSIGN(rope.theta, said->number_or("rope_theta", rope.theta));
    }
    TRY_ASSIGN(said, json.object("rope_scaling"));
  }
  if (said) {
    TRY_ASSIGN(rope.theta, said->number_or("rope_theta", rope.theta));
    TRY_ASSIGN(part, said->number_or("partial_rotary_factor", part));
  }
  rope.rotary_dim = static_cast<int64_t>(part * static_cast<double>(head_dim));
  if (!(rope.theta > 1) || rope.rotary_dim < 2 || rope.rotary_dim > head_dim || rope.rotary_dim % 2) {
    return invalid(
        fmt::format("rope_theta {} or rotary dimension {} of {} has no meaning", rope.theta, rope.rotary_dim, head_dim),
        json.place());
  }
  if (said) TRY(read_scaling(json, *said, rope));
  return rope;
}

Result<TransformerConfig> read_llama_config(const JsonObject& json) {
  TransformerConfig c;
  TRY_ASSIGN(c.model_type, json.string("model_type"));
  TRY_ASSIGN(c.vocab_size, json.integer("vocab_size", 1, kMaxSize));
  TRY_ASSIGN(c.hidden_size, json.integer("hidden_size", 1, kMaxSize));
  TRY_ASSIGN(const int64_t layers, json.integer("num_hidden_layers", 1, kMaxLayers));
  c.layers.resize(static_cast<size_t>(layers));
  TRY_ASSIGN(c.num_heads, json.integer("num_attention_heads", 1, kMaxSize));
  TRY_ASSIGN(c.num_kv_heads, json.integer_or("num_key_value_heads", c.num_heads, 1, c.num_heads));
  if (c.num_heads % c.num_kv_heads) {
    return invalid(
        fmt::format("num_key_value_heads {} must divide num_attention_heads {}", c.num_kv_heads, c.num_heads),
        json.place());
  }
  if (!json.has("head_dim") && c.hidden_size % c.num_heads) {
    return invalid(fmt::format("num_attention_heads {} must divide hidden_size {}", c.num_heads, c.hidden_size),
                   json.place());
  }
  TRY_ASSIGN(c.head_dim, json.integer_or("head_dim", c.hidden_size / c.num_heads, 1, 65536));
  TRY_ASSIGN(c.intermediate_size, json.integer("intermediate_size", 1, kMaxSize));
  TRY_ASSIGN(c.max_positions, json.integer("max_position_embeddings", 1, kMaxSize));
  TRY_ASSIGN(const double eps, json.number_or("rms_norm_eps", 1e-6));
  c.norm_eps = static_cast<float>(eps);
  c.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim)));
  TRY_ASSIGN(c.tied_head, json.boolean_or("tie_word_embeddings", false));
  TRY_ASSIGN(c.activation, read_activation(json, "hidden_act", "silu"));
  TRY_ASSIGN(RopeSpec rope, read_rope(json, c.head_dim, kRopeTheta));
  c.ropes.push_back(std::move(rope));
  return c;
}

Status read_window_everywhere(const JsonObject& json, TransformerConfig& config) {
  TRY_ASSIGN(const int64_t window, json.integer_or("sliding_window", 0, 0, kMaxSize));
  for (LayerConfig& layer : config.layers) layer.window = window;
  return ok_status();
}

Status read_layer_types(const JsonObject& json, int64_t pattern, TransformerConfig& config) {
  TRY_ASSIGN(const int64_t window, json.integer_or("sliding_window", 0, 0, kMaxSize));
  const Json* types = json.find("layer_types");
  if (types && (!types->is_array() || types->size() != config.layers.size())) {
    return invalid(fmt::format("field \"layer_types\" must be a list of {} names", config.layers.size()), json.place());
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    bool slides = pattern > 0 && (static_cast<int64_t>(i) + 1) % pattern != 0;
    if (types) {
      const std::string type = (*types)[i].is_string() ? (*types)[i].get<std::string>() : "";
      if (type != "sliding_attention" && type != "full_attention") {
        return unsupported(fmt::format("layer type {}", dump_json((*types)[i])), json.place(),
                           "supported: full_attention, sliding_attention");
      }
      slides = type == "sliding_attention";
    }
    config.layers[i].window = slides ? window : 0;
  }
  return ok_status();
}

}  // namespace linnet
