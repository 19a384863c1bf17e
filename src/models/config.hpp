// What distinguishes one transformer from another, as values. One forward (transformer.hpp) serves every family; a
// family file (llama.cpp, gemma.cpp, ...) fills this in from config.json. Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/rope_table.hpp"
#include "ops/activation.hpp"
#include "ops/router.hpp"

namespace linnet {

enum class NormKind : uint8_t { kRms, kLayer };

// Where the norms stand around a sublayer f.
enum class NormPlacement : uint8_t {
  kPre,         // x + f(norm(x))                     GPT-2, Llama
  kPreAndPost,  // x + norm'(f(norm(x)))            Gemma 2 and 3
  kOnOutput,    // x + norm(f(x))                     OLMo 2
  kAfterSum,    // norm(x + f(x))                     BERT
  kParallel,    // x + attn(norm(x)) + mlp(norm'(x))  GPT-NeoX; Phi, with one norm for both
};

enum class QkNorm : uint8_t {
  kNone,
  kPerHead,  // over D, one weight for all heads     Qwen 3, Gemma 3
  kWhole,    // over H * D, before the cut in heads  OLMo 2
};

// How a fused projection orders its rows.
enum class QkvLayout : uint8_t {
  kConcatenated,  // q of all heads, k, v
  kPerHead,       // q, k, v of head 0, of head 1, ...  GPT-NeoX
};

struct LayerConfig {
  int64_t window = 0;    // sliding window; 0 for full attention
  bool rope = true;      // SmolLM3 leaves some layers without positions
  int rope_index = 0;    // into TransformerConfig::ropes
  bool experts = false;  // a mixture instead of one MLP
};

struct MoeConfig {
  int64_t experts = 0;  // E
  int64_t top_k = 0;
  int64_t intermediate_size = 0;
  ops::RouterWeights weights = ops::RouterWeights::kSoftmaxThenTopScaled;
  bool clamped = false;  // gpt-oss's gate
};

struct TransformerConfig {
  std::string model_type;    // the family's name, as Hugging Face spells it
  int64_t vocab_size = 0;    // V
  int64_t hidden_size = 0;   // C
  int64_t num_heads = 0;     // H
  int64_t num_kv_heads = 0;  // K
  int64_t head_dim = 0;      // D
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;        // context length
  int64_t first_position = 0;       // the row of a learned table that the first token has
  std::vector<LayerConfig> layers;  // L

  NormKind norm = NormKind::kRms;
  float norm_eps = 1e-5f;
  float norm_offset = 0;  // Gemma's weights are stored less 1
  NormPlacement placement = NormPlacement::kPre;
  bool one_norm = false;  // kParallel: both sublayers read the same norm

  bool causal = true;
  QkNorm qk_norm = QkNorm::kNone;
  bool fused_qkv = false;
  QkvLayout qkv_layout = QkvLayout::kConcatenated;
  float attention_scale = 0;
  float attention_softcap = 0;
  bool sinks = false;
  // Buckets of distances, each with a bias in every head's scores (T5, MPNet), and the distance from which on all share
  // the last one. 0: none.
  int64_t relative_buckets = 0;
  int64_t relative_distance = 0;
  bool qkv_bias = false;
  bool output_bias = false;

  bool gated = true;        // activation(gate) * up, else activation(up)
  bool fused_gate = false;  // gate and up in one matrix
  ops::Activation activation = ops::Activation::kSilu;
  bool mlp_bias = false;
  MoeConfig moe;

  std::vector<RopeSpec> ropes;  // empty: learned positions
  int64_t token_types = 0;
  bool embedding_norm = false;
  bool final_norm = true;
  float embedding_scale = 1;
  float final_softcap = 0;
  bool has_head = true;  // false: an encoder, which ends in hidden states
  bool tied_head = false;
  bool head_bias = false;

  int64_t num_layers() const { return static_cast<int64_t>(layers.size()); }
};

}  // namespace linnet
