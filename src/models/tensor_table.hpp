// The table of a family's tensors: one line each, visited by load, save, conversion, quantisation and training.
// Thread safety: values.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/config.hpp"
#include "tensor/shape.hpp"

namespace linnet {

// What a tensor is for. The forward finds its weights by (layer, role).
enum class Role : uint8_t {
  kEmbedding,
  kPositionEmbedding,
  kTypeEmbedding,
  kRelativeBias,
  kEmbeddingNorm,
  kAttentionNorm,
  kQkv,
  kQuery,
  kKey,
  kValue,
  kQueryNorm,
  kKeyNorm,
  kSinks,
  kAttentionOutput,
  kPostAttentionNorm,
  kMlpNorm,
  kGateUp,
  kGate,
  kUp,
  kDown,
  kPostMlpNorm,
  kRouter,
  kExpertGateUp,
  kExpertGate,
  kExpertUp,
  kExpertDown,
  kFinalNorm,
  kHead,
};
inline constexpr int kRoleCount = static_cast<int>(Role::kHead) + 1;

// How GGUF orders a matrix's rows, where it differs from Hugging Face.
enum class GgufRows : uint8_t {
  kSame,
  kRopePairs,  // llama.cpp's q and k: dimension i beside i + D/2, per head
  kQkvByKind,  // GPT-NeoX: q of all heads, k, v, instead of per head
};

struct TensorSpec {
  Role role = Role::kEmbedding;
  bool bias = false;         // the role's bias vector
  int64_t layer = -1;        // -1: not in a layer
  std::string name;          // in safetensors, which is also ours; "{}" stands for the expert's number
  std::string gguf;          // in GGUF; empty: it cannot hold this tensor
  Shape shape;               // (O, C) or (C), of one expert where there are several
  int64_t experts = 0;       // E matrices of that shape; 0: no mixture
  bool stacked = false;      // the experts are one (E, ...) tensor in safetensors, as they always are in GGUF
  bool transposed = false;   // stored (C, O) in safetensors: GPT-2's Conv1D, gpt-oss's experts
  bool interleaved = false;  // gate and up rows alternate (gpt-oss); GGUF keeps them apart
  bool quantise = false;     // may be quantised: a matrix of a sublayer, an embedding or the head
  int heads = 0;             // for gguf_rows
  GgufRows gguf_rows = GgufRows::kSame;
  float gguf_offset = 0;  // GGUF holds the numbers plus this (Gemma's norms)
  int shard_axis = -1;    // which of (O, C) tensor parallelism cuts; -1: replicated
  bool optional = false;  // may be absent from a file
};

// A table in which rows are looked up, and which is never multiplied.
bool is_lookup(Role role);

// The name of expert `expert`'s tensor: `pattern`, which is a spec's name or gguf, with its number for "{}".
std::string name_of_expert(std::string pattern, int64_t expert);

// How safetensors holds it: all experts where they are stacked, else one.
Shape stored_shape(const TensorSpec& spec);

// Row r of the GGUF matrix is row order[r] of ours; empty when they agree.
std::vector<int64_t> gguf_row_order(const TensorSpec& spec);

// A linear layer by its module's name: "model.layers.0.self_attn.q_proj", its matrix's name less ".weight".
struct LinearModule {
  std::string name;
  const TensorSpec* spec;  // of the matrix
  size_t part;             // expert, else 0
};
// Those of a table, in its order: what PEFT sees as such. No embeddings, and no experts that lie stacked in one tensor.
// Borrows the table.
std::vector<LinearModule> linear_modules(std::span<const TensorSpec> table);

// Builds tables. `layer` prefixes names: layer("model.layers.", "blk.", i) makes later names relative to them.
class TensorTable {
 public:
  explicit TensorTable(const TransformerConfig& config) : config_(&config) {}

  // Names from here on are relative to these prefixes; layer -1 for tensors outside of layers.
  void within(int64_t layer, std::string prefix, std::string gguf_prefix);

  TensorSpec& matrix(Role role, std::string_view name, std::string_view gguf, int64_t out, int64_t in);
  TensorSpec& vector(Role role, std::string_view name, std::string_view gguf, int64_t size);
  // A norm's weight, and its bias in LayerNorm models.
  void norm(Role role, std::string_view name, std::string_view gguf, int64_t size);
  // A projection: NAME.weight, and NAME.bias when `bias`, with their rows in `rows` of `heads` in GGUF.
  TensorSpec& linear(Role role, std::string_view name, std::string_view gguf, int64_t out, int64_t in, bool bias,
                     GgufRows rows = GgufRows::kSame, int64_t heads = 0);

  const TransformerConfig& config() const { return *config_; }
  std::vector<TensorSpec> take() { return std::move(specs_); }

 private:
  const TransformerConfig* config_;
  int64_t layer_ = -1;
  std::string prefix_;
  std::string gguf_prefix_;
  std::vector<TensorSpec> specs_;
};

// The parts that most families share, under the names of Llama. Called inside within(layer, ...).
void add_llama_attention(TensorTable& table, GgufRows rows = GgufRows::kSame);
void add_llama_mlp(TensorTable& table);
// Embedding, final norm and head: "model.embed_tokens", "model.norm", "lm_head".
void add_llama_ends(TensorTable& table);
// All of Llama: ends, and in each layer input_layernorm, attention, post_attention_layernorm, MLP.
std::vector<TensorSpec> llama_tensors(const TransformerConfig& config, GgufRows rows = GgufRows::kSame);

}  // namespace linnet
