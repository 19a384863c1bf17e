#include "models/text_vectors.hpp"

namespace linnet {

Result<Tensor> text_vectors(Context& ctx, const Transformer& encoder, std::span<const std::vector<int32_t>> texts,
                            ops::Pooling pooling, bool unit) {
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
  const Tensor pooled = ops::pool(ctx, output.last_hidden, segments, pooling);
  return unit ? ops::unit_rows(ctx, pooled) : pooled;
}

}  // namespace linnet
