// config.json, in the spellings of transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters), into a
// TransformerConfig. Family files call these and change what is theirs.
#pragma once

#include "base/json_object.hpp"
#include "models/config.hpp"

namespace linnet {

// Bounds that keep every later product of two sizes inside 64 bits, far above any model.
inline constexpr int64_t kMaxSize = int64_t{1} << 26;
inline constexpr int64_t kMaxLayers = 4096;

// The fields that Llama and its descendants share: sizes, heads, norm, RoPE, tied head.
Result<TransformerConfig> read_llama_config(const JsonObject& json);

// Every layer a sliding window, when the config names one.
Status read_window_everywhere(const JsonObject& json, TransformerConfig& config);

// Which layers slide: "layer_types" when there, else full attention on every `pattern`-th layer.
Status read_layer_types(const JsonObject& json, int64_t pattern, TransformerConfig& config);

// One RoPE from rope_parameters (or its member `kind`: "full_attention", "sliding_attention"), or from rope_theta and
// rope_scaling. `rotary_dim` is R where no partial_rotary_factor says otherwise.
Result<RopeSpec> read_rope(const JsonObject& json, int64_t head_dim, double default_theta, const char* kind = nullptr);

// hidden_act and its kin: "silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu".
Result<ops::Activation> read_activation(const JsonObject& json, std::string_view key, std::string_view fallback);

// What YaRN multiplies cos and sin by when the config does not say (arXiv:2309.00071, equation 22).
double yarn_attention_factor(double factor);

}  // namespace linnet
