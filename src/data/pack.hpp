// Several sequences in one row of a given length, so that no step computes padding. Attention must stay inside a
// sequence (block-diagonal) and positions begin anew in each: exactly what one BatchSequence of models/batch.hpp says,
// with row_begin = begin, rows = length, position = 0.
//
// Method: best-fit decreasing (D. Johnson, "Near-optimal bin packing algorithms", MIT 1973); for language models:
// H. Ding et al., "Fewer Truncations Improve Language Modeling", ICML 2024.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/render.hpp"

namespace linnet {

// Which sequences a row holds, in the order in which they lie there.
using PackedRow = std::vector<uint32_t>;

// Rows of at most `row_length` tokens that together hold each sequence of `lengths` (each 1 to row_length) once. Equal
// lengths, and all up to a quarter of a row, are taken in the order of `order`, a permutation of the sequences: by
// length alone a row, and so a step, would have sequences that are alike. O(n log n).
std::vector<PackedRow> pack_best_fit(std::span<const uint32_t> lengths, std::span<const uint32_t> order,
                                     uint32_t row_length);

// The rows of epoch `epoch`: packed anew and shuffled by (seed, epoch) alone. So (epoch, number of the next row) is all
// that a run needs to go on where it was.
std::vector<PackedRow> pack_epoch(const TokenSet& set, uint32_t row_length, uint64_t seed, uint64_t epoch);

// One row's tokens, laid out.
struct RowTokens {
  struct Block {
    uint32_t begin = 0;   // first token in the row
    uint32_t length = 0;  // positions 0 … length-1
    uint32_t sequence = 0;
  };
  std::vector<int32_t> tokens;
  std::vector<uint8_t> learned;  // as TokenSequence::learned; 0 at the first token of each block
  std::vector<Block> blocks;     // cover the row, in order
};
RowTokens lay_out(const TokenSet& set, const PackedRow& row);

// Tokens that are held, of those that the rows could hold: 0 to 1.
double fill_of(const TokenSet& set, std::span<const PackedRow> rows, uint32_t row_length);

}  // namespace linnet
