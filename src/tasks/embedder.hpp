// Texts as vectors, pooled as sentence-transformers configures it (modules.json, 1_Pooling/config.json).
// Without such a configuration: mean of the last hidden states for encoders, the last token's for decoders; normalised.
// Thread safety: one thread at a time.
#pragma once

#include <memory>
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

class Embedder {
 public:
  static Result<std::unique_ptr<Embedder>> open(std::string_view model_name, int threads);

  // One vector of dimension(). Error: more tokens than the model takes (both numbers), unless `truncate`.
  Result<std::vector<float>> embed(const std::string& text, bool truncate = false);
  int64_t dimension() const { return transformer_.config().hidden_size; }

 private:
  Embedder(ModelHandle model, Tokenizer tokenizer, std::unique_ptr<Runtime> runtime, Transformer transformer,
           const PoolingConfig& pooling)
      : model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        runtime_(std::move(runtime)),
        transformer_(std::move(transformer)),
        pooling_(pooling) {}

  ModelHandle model_;
  Tokenizer tokenizer_;
  std::unique_ptr<Runtime> runtime_;
  Transformer transformer_;
  PoolingConfig pooling_;
};

}  // namespace linnet
