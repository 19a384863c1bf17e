// From "10m" to a whole config: how deep and wide a model of so many parameters is. Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"

namespace linnet {

enum class ModelShape : uint8_t {
  kLlama,  // RoPE, RMSNorm, SwiGLU, no biases
  kGpt2,   // learned positions, LayerNorm, GELU, biases
};

// What is not set is chosen from the size.
struct SizeSettings {
  std::string size = "10m";
  ModelShape shape = ModelShape::kLlama;
  std::optional<int64_t> layers = {};
  std::optional<int64_t> width = {};
  std::optional<int64_t> heads = {};
  std::optional<int64_t> kv_heads = {};  // llama's
  std::optional<int64_t> inner = {};     // width of the MLP
};

struct ModelSize {
  ModelShape shape = ModelShape::kLlama;
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t inner = 0;
};

// "1m", "10M", "124m", "1.5b" -> parameters. Error kUsage.
Result<int64_t> parse_size(std::string_view text);

// The layers and width whose matrices, an embedding of `vocab` tokens among them, come closest to the size, at the
// proportions of GPT-2's and Llama's small models: a layer for each 64 of width. Errors: numbers that do not fit each
// other.
Result<ModelSize> choose_size(const SizeSettings& settings, int64_t vocab);

// config.json of such a model. end_id: below 0 where the tokenizer has none. tied: the head is the embedding.
Json config_of(const ModelSize& size, int64_t vocab, int64_t context, int64_t end_id, bool tied);

}  // namespace linnet
