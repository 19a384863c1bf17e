// config.json, in the spellings of transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters), into a
// TransformerConfig. Family files call these and change what is theirs.
#pragma once

#include "base/json_object.hpp"
#include "models/config.hpp"

namespace linnet {

// Bounds that keep every later product of two sizes inside 64 bits, far above any model.
inline constexpr int64_t kMaxSize = int64_t{1} << 26;
inline constexpr int64_t kMaxLayers = 4096;

inline constexpr double kRopeTheta = 10000;  // where nothing says another

// `config` with what it leaves out taken from `defaults` (Family::defaults). A field that is null is not left out; of
// RoPE, what rope_parameters says is said.
Json with_defaults(Json config, std::string_view defaults);

// The fields that Llama and its descendants share: sizes, heads, norm, RoPE, tied head.
Result<TransformerConfig> read_llama_config(const JsonObject& json);

// Every layer a sliding window, when the config names one.
Status read_window_everywhere(const JsonObject& json, TransformerConfig& config);

// Which layers slide: "layer_types" when there, else full attention on every `pattern`-th layer.
Status read_layer_types(const JsonObject& json, int64_t pattern, TransformerConfig& config);

// Whose RoPE: of all layers, or of those with full attention and of those with a sliding window, which have their own.
enum class RopeOf : uint8_t { kAll, kFull, kSliding };

// One RoPE from rope_scaling, or else from rope_parameters (its member "full_attention" or "sliding_attention", where
// they differ), as transformers 5 lets the one win over the other, and from rope_theta, or rope_local_base_freq where
// windows slide. The part of a head that is rotated is partial_rotary_factor, or all of it.
Result<RopeSpec> read_rope(const JsonObject& json, int64_t head_dim, double default_theta, RopeOf of = RopeOf::kAll);

// hidden_act and its kin: "silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu".
Result<ops::Activation> read_activation(const JsonObject& json, std::string_view key, std::string_view fallback);

// What YaRN multiplies cos and sin by when the config does not say (arXiv:2309.00071, equation 22).
double yarn_attention_factor(double factor);

}  // namespace linnet
