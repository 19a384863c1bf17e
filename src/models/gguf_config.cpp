#include "models/gguf_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>

#include "models/hf_config.hpp"

namespace linnet {

namespace {

// What every family has, under Llama's names in config.json. A family's own lines come first.
constexpr std::array<GgufKey, 9> kCommonKeys{{{"hidden_size", "embedding_length"},
                                              {"num_hidden_layers", "block_count"},
                                              {"num_attention_heads", "attention.head_count"},
                                              {"num_key_value_heads", "attention.head_count_kv"},
                                              {"intermediate_size", "feed_forward_length"},
                                              {"max_position_embeddings", "context_length"},
                                              {"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                                              {"layer_norm_eps", "attention.layer_norm_epsilon"},
                                              {"rope_theta", "rope.freq_base"}}};

// A metadata value as JSON: numbers, booleans, strings, and lists of them.
Result<Json> to_json(const GgufMetadata& metadata, std::string_view key) {
  const GgufValue& value = *metadata.find(key);
  switch (value.type) {
    case GgufType::kString: {
      TRY_ASSIGN(const std::string_view text, metadata.string(key));
      return Json(std::string(text));
    }
    case GgufType::kBool: {
      TRY_ASSIGN(const bool flag, metadata.boolean(key));
      return Json(flag);
    }
    case GgufType::kF32:
    case GgufType::kF64: {
      TRY_ASSIGN(const double number, metadata.number(key));
      return Json(number);
    }
    case GgufType::kArray: {
      TRY_ASSIGN(const std::vector<float> numbers, metadata.floats(key));
      return Json(numbers);
    }
    default: {
      TRY_ASSIGN(const int64_t number, metadata.integer(key, INT64_MIN, INT64_MAX));
      return Json(number);
    }
  }
}

// llama.cpp writes some per-layer numbers as lists; equal ones are one number.
Status collapse_lists(Json& config, const std::string& place) {
  for (auto& [key, value] : config.items()) {
    if (!value.is_array() || key == "no_rope_layers" || key == kLayerTypes || key == "mlp_only_layers") continue;
    if (value.empty() || std::any_of(value.begin(), value.end(), [&](const Json& x) { return x != value[0]; })) {
      return unsupported(fmt::format("\"{}\" differs between layers", key), place);
    }
    value = Json(value[0]);
  }
  return ok_status();
}

// Several families share an architecture in GGUF: "llama" is Llama, Mistral and Mixtral.
Result<const Family*> family_of(const GgufMetadata& metadata) {
  TRY_ASSIGN(const std::string_view arch, metadata.string("general.architecture"));
  TRY_ASSIGN(const std::string_view exact, metadata.string_or("linnet.model_type", ""));
  TRY_ASSIGN(const int64_t experts, metadata.integer_or(std::string(arch) + ".expert_count", 0, 0, 65536));
  const Family* found = nullptr;
  std::string known;
  for (const Family* family : families()) {
    if (family->gguf_arch.empty()) continue;
    if (family->gguf_arch == arch) {
      if (family->model_type == exact) return family;
      const bool mixture = family->model_type == "mixtral";
      if (!found || (mixture && experts > 0)) found = family;
    }
    if (known.find(family->gguf_arch) == std::string::npos) {
      known += (known.empty() ? "" : ", ") + std::string(family->gguf_arch);
    }
  }
  if (!found) {
    return unsupported(fmt::format("models of architecture \"{}\" are not known", arch), metadata.place(),
                       "known: " + known);
  }
  return found;
}

// What every family must be told. It is looked for here because config.json's readers know it by other names.
Status check_keys(const GgufMetadata& metadata, const std::string& arch) {
  for (const char* key : {"embedding_length", "block_count", "attention.head_count", "context_length"}) {
    const std::string full = full_gguf_key(arch, key);
    if (!metadata.has(full)) {
      return invalid(fmt::format("metadata key \"{}\" is missing", full), metadata.place(), std::string(kPullAgain));
    }
  }
  return ok_status();
}

Status copy_keys(const GgufMetadata& metadata, const Family& family, const std::string& arch, Json& config) {
  const auto copy = [&](const GgufKey& key) -> Status {
    const std::string from = key.gguf.empty() ? "linnet." + std::string(key.hf) : full_gguf_key(arch, key.gguf);
    if (key.hf == kLayerTypes && !key.gguf.empty()) return ok_status();  // copy_windows
    if (!metadata.has(from) || config.contains(key.hf)) return ok_status();
    TRY_ASSIGN(Json value, to_json(metadata, from));
    // Lists in linnet.* keys are JSON text.
    if (key.gguf.empty() && value.is_string()) {
      TRY_ASSIGN(value, parse_json(value.get<std::string>(), metadata.place() + ": " + from));
    }
    config[std::string(key.hf)] = std::move(value);
    return ok_status();
  };
  for (const GgufKey& key : family.gguf_keys) TRY(copy(key));
  for (const GgufKey& key : kCommonKeys) TRY(copy(key));
  return ok_status();
}

// Which layers slide, where the file says it: a bool a layer, or a period of which the last layer does not.
Status copy_windows(const GgufMetadata& metadata, const std::string& arch, Json& config) {
  const std::string key = arch + "." + std::string(kWindowPattern);
  if (!metadata.has(key)) return ok_status();
  TRY_ASSIGN(const int64_t layers, metadata.integer(arch + ".block_count", 1, kMaxLayers));
  std::vector<bool> slides(static_cast<size_t>(layers));
  if (metadata.find(key)->type == GgufType::kArray) {
    if (auto flags = metadata.booleans(key); flags.ok()) {
      slides = std::move(flags).value();
    } else {
      TRY_ASSIGN(const std::vector<int64_t> numbers, metadata.integers(key, 0, 1));
      slides.assign(numbers.begin(), numbers.end());
    }
  } else {
    TRY_ASSIGN(const int64_t period, metadata.integer(key, 0, kMaxLayers));
    for (int64_t l = 0; l < layers; ++l) slides[static_cast<size_t>(l)] = period == 0 || (l + 1) % period != 0;
  }
  Json types = Json::array();
  for (const bool slide : slides) types.push_back(slide ? "sliding_attention" : "full_attention");
  config[std::string(kLayerTypes)] = std::move(types);
  return ok_status();
}

// rope.scaling.* into rope_scaling. llama.cpp keeps llama3's and longrope's factors in tensors instead.
Status copy_rope_scaling(const GgufMetadata& metadata, const std::string& arch, Json& config) {
  const std::string base = arch + ".rope.scaling.";
  TRY_ASSIGN(const std::string_view type, metadata.string_or(base + "type", "none"));
  if (type != "linear" && type != "yarn") return ok_status();
  Json scaling = {{"rope_type", std::string(type)}};
  TRY_ASSIGN(const double factor, metadata.number(base + "factor"));
  scaling["factor"] = factor;
  if (type == "yarn" && metadata.has(base + "attn_factor")) {  // llama.cpp multiplies the default by it
    TRY_ASSIGN(const double ratio, metadata.number(base + "attn_factor"));
    scaling["attention_factor"] = ratio * yarn_attention_factor(factor);
  }
  if (metadata.has(kYarnTruncate)) {
    TRY_ASSIGN(scaling["truncate"], to_json(metadata, kYarnTruncate));
  }
  const std::array<std::pair<const char*, const char*>, 3> optional{
      {{"original_context_length", "original_max_position_embeddings"},
       {"yarn_beta_fast", "beta_fast"},
       {"yarn_beta_slow", "beta_slow"}}};
  for (const auto& [gguf, hf] : optional) {
    if (!metadata.has(base + gguf)) continue;
    TRY_ASSIGN(scaling[hf], to_json(metadata, base + gguf));
  }
  config["rope_scaling"] = std::move(scaling);
  return ok_status();
}

// The numbers of a rope tensor; empty when it is absent.
Result<std::vector<double>> rope_factors(const TensorSource& tensors, const char* name) {
  const StoredTensor* stored = tensors.find(name);
  if (!stored) return std::vector<double>();
  if (!stored->format || stored->shape.elements() > kMaxSize)
    return invalid("must be a list of numbers", stored->place());
  std::vector<double> factors;
  const Tensor numbers = to_f32(*stored);
  for (const float value : numbers.span<float>()) {
    if (!(value > 0) || !std::isfinite(value)) return invalid("must hold positive numbers", stored->place());
    factors.push_back(value);
  }
  return factors;
}

// longrope's two lists of factors are tensors in GGUF.
Status copy_longrope(const Gguf& gguf, const std::string& arch, Json& config) {
  TRY_ASSIGN(const std::vector<double> longer, rope_factors(gguf.tensors(), "rope_factors_long.weight"));
  TRY_ASSIGN(const std::vector<double> shorter, rope_factors(gguf.tensors(), "rope_factors_short.weight"));
  if (longer.empty() && shorter.empty()) return ok_status();
  const GgufMetadata& metadata = gguf.metadata();
  TRY_ASSIGN(const int64_t original, metadata.integer(arch + ".rope.scaling.original_context_length", 1, kMaxSize));
  Json scaling = {{"type", "longrope"},
                  {"long_factor", longer},
                  {"short_factor", shorter},
                  {"original_max_position_embeddings", original}};
  const std::string factor = arch + ".rope.scaling.attn_factor";
  if (metadata.has(factor)) {
    TRY_ASSIGN(scaling["attention_factor"], to_json(metadata, factor));
  }
  config["rope_scaling"] = std::move(scaling);
  config["original_max_position_embeddings"] = original;
  return ok_status();
}

// Null where the file has none: some converters write -1 or 2^32 - 1.
Status copy_token_ids(const GgufMetadata& metadata, Json& config) {
  const std::array<std::pair<const char*, const char*>, 3> ids{{{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                                                {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                                                {"tokenizer.ggml.padding_token_id", "pad_token_id"}}};
  for (const auto& [gguf, hf] : ids) {
    TRY_ASSIGN(const int64_t id, metadata.integer_or(gguf, -1, INT64_MIN, INT64_MAX));
    config[hf] = id >= 0 && id < kMaxSize ? Json(id) : Json();
  }
  return ok_status();
}

int64_t vocabulary_of(const Gguf& gguf) {
  const StoredTensor* embedding = gguf.tensors().find("token_embd.weight");
  return embedding && embedding->shape.rank() == 2 ? embedding->shape[0] : 0;
}

// Of a field that GGUF leaves out, the family's config.json means something else: null says that there is none.
void say_absence(const Family& family, Json& config) {
  const Json defaults = Json::parse(family.defaults);
  for (const auto& [key, value] : defaults.items()) {
    if (config.contains(key)) continue;
    config[key] = key == "rope_theta" ? Json(kRopeTheta) : Json();
  }
}

}  // namespace

std::string full_gguf_key(std::string_view arch, std::string_view key) {
  return key.starts_with("tokenizer.") ? std::string(key) : fmt::format("{}.{}", arch, key);
}

int64_t gguf_query_scalar(const TransformerConfig& config) {
  constexpr int64_t kGemma2Layers = 46;
  constexpr int64_t kGemma3Layers = 62;
  const bool large = (config.model_type == "gemma2" && config.num_layers() == kGemma2Layers) ||
                     (config.model_type == "gemma3_text" && config.num_layers() == kGemma3Layers);
  return large ? config.hidden_size / config.num_heads : config.head_dim;
}

Result<GgufConfig> config_from_gguf(const Gguf& gguf) {
  const GgufMetadata& metadata = gguf.metadata();
  GgufConfig out;
  TRY_ASSIGN(out.family, family_of(metadata));
  const std::string arch(out.family->gguf_arch);
  Json& config = out.config;
  config["model_type"] = std::string(out.family->model_type);
  TRY(check_keys(metadata, arch));
  TRY(copy_keys(metadata, *out.family, arch, config));
  TRY(collapse_lists(config, metadata.place()));
  config["architectures"] = Json::array({std::string(out.family->architecture)});
  TRY(copy_token_ids(metadata, config));
  config["vocab_size"] = vocabulary_of(gguf);
  config["tie_word_embeddings"] = gguf.tensors().find("output.weight") == nullptr;
  TRY_ASSIGN(const int64_t heads, metadata.integer_or(arch + ".attention.head_count", 1, 1, kMaxSize));
  TRY_ASSIGN(const int64_t width, metadata.integer_or(arch + ".embedding_length", 0, 0, kMaxSize));
  TRY_ASSIGN(const int64_t dim, metadata.integer_or(arch + ".attention.key_length", width / heads, 1, 65536));
  TRY_ASSIGN(const int64_t value_dim, metadata.integer_or(arch + ".attention.value_length", dim, 1, 65536));
  if (value_dim != dim) return unsupported("keys and values of different sizes", metadata.place());
  config["head_dim"] = dim;
  TRY_ASSIGN(const int64_t rotary, metadata.integer_or(arch + ".rope.dimension_count", dim, 1, 65536));
  if (rotary != dim) config["partial_rotary_factor"] = static_cast<double>(rotary) / static_cast<double>(dim);
  // GGUF does not say which projections have biases: the tensors do.
  const auto has_tensor = [&](const char* name) { return gguf.tensors().find(name) != nullptr; };
  config["attention_bias"] = has_tensor("blk.0.attn_q.bias") || has_tensor("blk.0.attn_qkv.bias");
  config["mlp_bias"] = has_tensor("blk.0.ffn_gate.bias");
  TRY(copy_windows(metadata, arch, config));
  TRY(copy_rope_scaling(metadata, arch, config));
  TRY(copy_longrope(gguf, arch, config));
  if (out.family->from_gguf) TRY(out.family->from_gguf(config));
  say_absence(*out.family, config);
  return out;
}

Status read_rope_tensors(const TensorSource& tensors, TransformerConfig& config) {
  if (config.ropes.empty()) return ok_status();
  RopeSpec& rope = config.ropes[0];
  TRY_ASSIGN(rope.divisors, rope_factors(tensors, "rope_freqs.weight"));
  if (rope.divisors.empty() || static_cast<int64_t>(rope.divisors.size()) == rope.rotary_dim / 2) return ok_status();
  return invalid(fmt::format("must have {} numbers, has {}", rope.rotary_dim / 2, rope.divisors.size()),
                 "tensor rope_freqs.weight");
}

}  // namespace linnet
