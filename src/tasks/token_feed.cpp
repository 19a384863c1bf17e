#include "tasks/token_feed.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace linnet {

TokenBatch batch_of(const TokenSet& set, const PackedRow& row) {
  const RowTokens laid = lay_out(set, row);
  TokenBatch batch;
  for (const RowTokens::Block& block : laid.blocks) {
    batch.batch.sequences.push_back({.row_begin = block.begin, .rows = block.length});
    for (uint32_t at = block.begin + 1; at < block.begin + block.length; ++at) {
      if (!laid.learned[at]) continue;
      batch.batch.logit_rows.push_back(static_cast<int32_t>(at - 1));
      batch.targets.push_back(laid.tokens[at]);
    }
  }
  batch.batch.tokens = laid.tokens;
  return batch;
}

TokenFeed::TokenFeed(TokenSet set, int64_t row_length, int64_t rows_per_step, int64_t epochs, uint64_t seed,
                     float dropout)
    : set_(std::move(set)),
      row_length_(static_cast<uint32_t>(row_length)),
      rows_per_step_(rows_per_step),
      seed_(seed),
      dropout_(dropout) {
  CHECK(row_length > 0 && rows_per_step > 0 && epochs > 0);
  first_step_.push_back(0);
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto rows = static_cast<int64_t>(rows_of(epoch).size());
    first_step_.push_back(first_step_.back() + (rows + rows_per_step - 1) / rows_per_step);
  }
}

const std::vector<PackedRow>& TokenFeed::rows_of(int64_t epoch) {
  if (epoch != epoch_) rows_ = pack_epoch(set_, row_length_, seed_, static_cast<uint64_t>(epoch));
  epoch_ = epoch;
  return rows_;
}

std::span<const PackedRow> TokenFeed::rows(int64_t step) {
  CHECK(step >= 0 && step < steps());
  const auto after = std::upper_bound(first_step_.begin(), first_step_.end(), step);
  const int64_t epoch = after - first_step_.begin() - 1;
  const std::vector<PackedRow>& rows = rows_of(epoch);
  const auto begin = static_cast<size_t>((step - first_step_[static_cast<size_t>(epoch)]) * rows_per_step_);
  return std::span(rows).subspan(begin, std::min(static_cast<size_t>(rows_per_step_), rows.size() - begin));
}

std::vector<TokenBatch> TokenFeed::batches(int64_t step) {
  std::vector<TokenBatch> batches;
  for (const PackedRow& row : rows(step)) {
    batches.push_back(batch_of(set_, row));
    batches.back().batch.dropout = dropout(step, batches.size() - 1);
  }
  return batches;
}

DropoutMask TokenFeed::dropout(int64_t step, size_t i) const {
  return {
      .rate = dropout_, .seed = seed_, .draw = static_cast<uint32_t>(step * rows_per_step_ + static_cast<int64_t>(i))};
}

std::vector<TokenBatch> TokenFeed::all(const TokenSet& set, int64_t row_length) {
  std::vector<TokenBatch> batches;
  for (const PackedRow& row : pack_epoch(set, static_cast<uint32_t>(row_length), 0, 0)) {
    batches.push_back(batch_of(set, row));
  }
  return batches;
}

}  // namespace linnet
