// Learning to say the next token. Thread safety: values.
#pragma once

#include <vector>

#include "models/transformer.hpp"
#include "train/trainer.hpp"

namespace linnet {

// What a teacher says at each row that learns: ops::TeacherTargets, owned.
struct TeacherRows {
  int64_t top = 0;
  std::vector<int32_t> ids = {};
  std::vector<float> probabilities = {};
  float weight = 0;

  ops::TeacherTargets targets() const { return {top, ids, probabilities, weight}; }
};

// Sequences side by side, and what each row that learns is to say next.
struct TokenBatch {
  Batch batch;                   // logit_rows: the rows that learn
  std::vector<int32_t> targets;  // one for each of logit_rows
  TeacherRows teacher = {};      // likewise, where there is one
};

// The rows of `batches` that learn.
int64_t trained_tokens(std::span<const TokenBatch> batches);

// Those that are read, whether they learn or not.
int64_t token_count(std::span<const TokenBatch> batches);

// A part for each of `batches` that has a token to learn; each such token of all of them weighs the same, as if they
// were one batch. Borrows everything.
std::vector<PartLoss> token_losses(Context& ctx, const Transformer& model, std::span<const TokenBatch> batches);

// Nats per token that learns, over all batches. Errors: as Transformer::loss; no such token.
Result<double> mean_token_loss(Context& ctx, const Transformer& model, std::span<const TokenBatch> batches);

}  // namespace linnet
