// Which pairs of texts each step learns from, and how much their vectors tell them apart.
// Ownership: borrows what it is made of. Thread safety: const methods.
#pragma once

#include <cstdint>
#include <vector>

#include "tasks/embedder.hpp"

namespace linnet {

// Pairs as tokens: row i of both belongs together. Equal numbers in `first_text` (or `second_text`) say equal texts.
struct TokenPairs {
  std::vector<std::vector<int32_t>> first, second;
  std::vector<uint32_t> first_text, second_text;

  size_t size() const { return first.size(); }
};
// Errors: Embedder::encode's.
Result<TokenPairs> token_pairs(const Embedder& embedder, const std::vector<std::string>& first,
                               const std::vector<std::string>& second);

// The pairs of a step in [0, ∞), a pure function of it: each epoch in another order; what does not fill a step is left
// out of that epoch. Of pairs that share a text only one stays: the other's partner would be called wrong, and is not.
std::vector<uint32_t> pairs_of_step(const TokenPairs& pairs, int64_t pairs_per_step, int64_t step, uint64_t seed);

// The mean over both directions of InfoNCE with the other chosen pairs as negatives. (1). Errors: Embedder::embed's.
Result<Tensor> pair_loss(Context& ctx, const Embedder& embedder, const TokenPairs& pairs,
                         std::span<const uint32_t> chosen);

}  // namespace linnet
