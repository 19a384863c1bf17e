// Texts as vectors, pooled as sentence-transformers configures it (modules.json, 1_Pooling/config.json).
// Without such a configuration: mean of the last hidden states for encoders, the last token's for decoders; normalised.
// Ownership: owns the model; borrows the runtime. Thread safety: one thread at a time.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/pool.hpp"
#include "tasks/model_handle.hpp"

namespace linnet {

struct PoolingConfig {
  ops::Pooling pooling = ops::Pooling::kMean;
  bool normalise = true;
  int64_t max_tokens = 0;  // of one text, special tokens included
};

// Errors: a module that Linnet does not run, named.
Result<PoolingConfig> read_pooling(const ModelHandle& model);
// The same files, into a folder that holds a model of vectors of `width` numbers. Error kIo.
Status write_pooling(const PoolingConfig& pooling, int64_t width, const std::filesystem::path& folder);

// What happens to a text of more tokens than fit.
enum class TooLong : uint8_t { kError, kCut };

class Embedder {
 public:
  // Loads the weights and the model's adapters. max_tokens > 0: fewer than the model could take.
  static Result<Embedder> load(ModelHandle model, Runtime& runtime, int64_t max_tokens = 0);

  // Special tokens included. Errors: an empty text; too many tokens (both numbers).
  Result<std::vector<int32_t>> encode(const std::string& text, TooLong too_long) const;
  // Each of them. Errors: those of one.
  Result<std::vector<std::vector<int32_t>>> encode(std::span<const std::string> texts, TooLong too_long) const;
  // (S, C): a row for each text, the same whatever stands beside it. Differentiable.
  Result<Tensor> embed(std::span<const std::vector<int32_t>> texts) const;
  // encode() and embed(), a few texts at a time.
  Result<Tensor> embed(std::span<const std::string> texts, TooLong too_long) const;

  Transformer& transformer() { return transformer_; }
  const Transformer& transformer() const { return transformer_; }

 private:
  Embedder(ModelHandle model, Tokenizer tokenizer, Runtime& runtime, Transformer transformer,
           const PoolingConfig& pooling)
      : model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        runtime_(&runtime),
        transformer_(std::move(transformer)),
        pooling_(pooling) {}

  ModelHandle model_;
  Tokenizer tokenizer_;
  Runtime* runtime_;
  Transformer transformer_;
  PoolingConfig pooling_;
};

}  // namespace linnet
