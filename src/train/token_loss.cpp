#include "train/token_loss.hpp"

namespace linnet {

int64_t trained_tokens(std::span<const TokenBatch> batches) {
  int64_t count = 0;
  for (const TokenBatch& batch : batches) count += static_cast<int64_t>(batch.targets.size());
  return count;
}

int64_t token_count(std::span<const TokenBatch> batches) {
  int64_t count = 0;
  for (const TokenBatch& batch : batches) count += batch.batch.rows();
  return count;
}

std::vector<PartLoss> token_losses(Context& ctx, const Transformer& model, std::span<const TokenBatch> batches) {
  std::vector<PartLoss> parts;
  const int64_t count = trained_tokens(batches);
  for (const TokenBatch& batch : batches) {
    if (batch.targets.empty()) continue;
    parts.push_back([&ctx, &model, &batch, count] {
      return model.loss(ctx, batch.batch, batch.targets, count, batch.teacher.targets());
    });
  }
  return parts;
}

Result<double> mean_token_loss(Context& ctx, const Transformer& model, std::span<const TokenBatch> batches) {
  const std::vector<PartLoss> parts = token_losses(ctx, model, batches);
  if (parts.empty()) return invalid("no token to score");
  double sum = 0;
  for (const PartLoss& part : parts) {
    TRY_ASSIGN(const Tensor loss, part());
    sum += loss.data<float>()[0];
  }
  return sum;
}

}  // namespace linnet
