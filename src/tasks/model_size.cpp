#include "tasks/model_size.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/core.h>

namespace linnet {

namespace {

constexpr int64_t kLayerPer = 64;  // of width
constexpr int64_t kLeastLayers = 4;
constexpr int64_t kMostLayers = 128;
constexpr int64_t kMostWidth = 16384;

int64_t layers_for(int64_t width) {
  return std::max(kLeastLayers, (width + kLayerPer / 2) / kLayerPer);
}

// Of all matrices, and an embedding: attention has 4 C², the MLP about 8 C² in both shapes.
double matrix_parameters(int64_t width, int64_t layers, int64_t vocab) {
  return static_cast<double>(width) * static_cast<double>(12 * layers * width + vocab);
}

int64_t width_for(double parameters, std::optional<int64_t> layers, int64_t vocab) {
  int64_t best = 0;
  double least = INFINITY;
  // Up to 256 in steps of 32, so that small models have a choice; then of whole heads of 64.
  for (int64_t width = 32; width <= kMostWidth; width += width < 256 ? 32 : 64) {
    const double got = matrix_parameters(width, layers.value_or(layers_for(width)), vocab);
    const double error = std::abs(std::log(got / parameters));
    if (error >= least) continue;
    best = width;
    least = error;
  }
  return best;
}

int64_t rounded_up(int64_t value, int64_t to) {
  return (value + to - 1) / to * to;
}

Status require_positive(const char* flag, std::optional<int64_t> value, int64_t most) {
  if (!value || (*value > 0 && *value <= most)) return ok_status();
  return usage_error(fmt::format("{} must be from 1 to {}", flag, most));
}

}  // namespace

Result<int64_t> parse_size(std::string_view text) {
  const std::string owned(text);
  char* end = nullptr;
  const double number = std::strtod(owned.c_str(), &end);
  const std::string unit(end);
  const double factor = unit.empty()                 ? 1
                        : unit == "k" || unit == "K" ? 1e3
                        : unit == "m" || unit == "M" ? 1e6
                        : unit == "b" || unit == "B" ? 1e9
                                                     : 0;
  const double parameters = number * factor;
  if (end == owned.c_str() || !(parameters >= 1e4) || parameters > 1e11) {
    return usage_error(fmt::format("\"{}\" is not the size of a model", text), "from 10k to 100b: --size 10m");
  }
  return static_cast<int64_t>(parameters);
}

Result<ModelSize> choose_size(const SizeSettings& settings, int64_t vocab) {
  TRY_ASSIGN(const int64_t parameters, parse_size(settings.size));
  TRY(require_positive("--layers", settings.layers, kMostLayers));
  TRY(require_positive("--width", settings.width, kMostWidth));
  TRY(require_positive("--heads", settings.heads, kMostWidth));
  TRY(require_positive("--kv-heads", settings.kv_heads, kMostWidth));
  TRY(require_positive("--inner", settings.inner, 8 * kMostWidth));
  ModelSize size{.shape = settings.shape};
  size.width = settings.width ? *settings.width : width_for(static_cast<double>(parameters), settings.layers, vocab);
  size.layers = settings.layers.value_or(layers_for(size.width));
  const int64_t head_dim = size.width % 64 == 0 && size.width >= 256 ? 64 : 32;
  size.heads = settings.heads.value_or(std::max<int64_t>(1, size.width / head_dim));
  size.kv_heads = settings.kv_heads.value_or(size.heads);
  if (size.width % size.heads != 0) {
    return usage_error(fmt::format("{} heads do not divide a width of {}", size.heads, size.width));
  }
  if (size.heads % size.kv_heads != 0) {
    return usage_error(fmt::format("{} key/value heads do not divide {} heads", size.kv_heads, size.heads));
  }
  if (settings.shape == ModelShape::kGpt2 && size.kv_heads != size.heads) {
    return usage_error("gpt2 has as many key/value heads as heads", "leave --kv-heads out, or take --shape llama");
  }
  if (settings.shape == ModelShape::kLlama && size.width / size.heads % 2 != 0) {
    return usage_error(fmt::format("a head of {} numbers cannot be rotated", size.width / size.heads),
                       "llama needs an even width of each head");
  }
  const int64_t inner = settings.shape == ModelShape::kGpt2 ? 4 * size.width : rounded_up(8 * size.width / 3, 32);
  size.inner = settings.inner.value_or(inner);
  return size;
}

Json config_of(const ModelSize& size, int64_t vocab, int64_t context, int64_t end_id, bool tied) {
  Json config = {{"vocab_size", vocab}, {"tie_word_embeddings", tied}, {"torch_dtype", "float32"}};
  if (end_id >= 0) config["bos_token_id"] = config["eos_token_id"] = end_id;
  const auto set = [&](const Json& fields) { config.update(fields); };
  if (size.shape == ModelShape::kGpt2) {
    set({{"model_type", "gpt2"},
         {"architectures", Json::array({"GPT2LMHeadModel"})},
         {"n_embd", size.width},
         {"n_layer", size.layers},
         {"n_head", size.heads},
         {"n_inner", size.inner},
         {"n_positions", context},
         {"n_ctx", context},
         {"activation_function", "gelu_new"},
         {"layer_norm_epsilon", 1e-5},
         {"attn_pdrop", 0.0},
         {"embd_pdrop", 0.0},
         {"resid_pdrop", 0.0}});
  } else {
    set({{"model_type", "llama"},
         {"architectures", Json::array({"LlamaForCausalLM"})},
         {"hidden_size", size.width},
         {"num_hidden_layers", size.layers},
         {"num_attention_heads", size.heads},
         {"num_key_value_heads", size.kv_heads},
         {"head_dim", size.width / size.heads},
         {"intermediate_size", size.inner},
         {"max_position_embeddings", context},
         {"hidden_act", "silu"},
         {"rms_norm_eps", 1e-5},
         {"rope_theta", 10000.0},
         {"attention_bias", false},
         {"mlp_bias", false}});
  }
  return config;
}

}  // namespace linnet
