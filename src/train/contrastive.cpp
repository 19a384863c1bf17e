#include "train/contrastive.hpp"

#include "ops/elementwise.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"

namespace linnet {

Result<Tensor> embed_texts(Context& ctx, const Transformer& encoder, std::span<const std::vector<int32_t>> texts,
                           ops::Pooling pooling) {
  Batch batch;
  std::vector<ops::Segment> segments;
  for (const std::vector<int32_t>& text : texts) {
    if (text.empty()) return invalid("an empty text has no vector");
    const auto rows = static_cast<int64_t>(text.size());
    segments.push_back({batch.rows(), rows});
    batch.sequences.push_back({.row_begin = batch.rows(), .rows = rows});
    batch.tokens.insert(batch.tokens.end(), text.begin(), text.end());
  }
  TRY_ASSIGN(const ForwardOutput output, encoder.forward(ctx, batch, nullptr));
  return ops::unit_rows(ctx, ops::pool(ctx, output.last_hidden, segments, pooling));
}

Tensor contrastive_loss(Context& ctx, const Tensor& queries, const Tensor& candidates, std::span<const int32_t> targets,
                        float temperature) {
  const Tensor cosines = ops::matmul_transposed(ctx, queries, candidates);  // (Q, M)
  return ops::cross_entropy(ctx, ops::scale(ctx, cosines, 1 / temperature), targets);
}

}  // namespace linnet
